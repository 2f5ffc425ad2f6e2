"""Every table there is: a file that defines tables is imported here, so that migrations and copies miss none."""

from sqlalchemy import MetaData

from latentwatch.alerts import (
    bulk_actions_table,
    context_tables,
    course_table,
    exception_table,
    former_decisions,
    group_count_table,
    incident_members,
    incident_place_table,
    login_session_table,
    missed_stretch_table,
    scorer_table,
    silence_table,
    step_table,
    tables,
    unread_table,
)
from latentwatch.alerts.columns import Row

DEFINED_IN = (
    bulk_actions_table,
    context_tables,
    course_table,
    exception_table,
    former_decisions,
    group_count_table,
    incident_members,
    incident_place_table,
    login_session_table,
    missed_stretch_table,
    scorer_table,
    silence_table,
    step_table,
    tables,
    unread_table,
)
SCHEMA: MetaData = Row.metadata
