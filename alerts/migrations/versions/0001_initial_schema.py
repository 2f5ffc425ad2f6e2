"""The first schema.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", BIG_KEY, nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("peak_surprise", sa.Double(), nullable=False),
        sa.Column("peak_source", sa.Text(), nullable=False),
        sa.Column("peak_partition", sa.Integer(), nullable=False),
        sa.Column("peak_offset", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_ended", "alerts", ["monitor", "ended"])
    op.create_index("ix_alerts_entity", "alerts", ["monitor", "entity", "ended"])
    op.create_index("ix_alerts_inbox", "alerts", ["monitor", "status", "started"])
    op.create_index("ix_alerts_started", "alerts", ["started"])

    op.create_table(
        "audit",
        sa.Column("id", BIG_KEY, nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_created", "audit", ["monitor", "created"])

    op.create_table(
        "context_snapshots",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "source", "partition", name=op.f("pk_context_snapshots")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "source", "partition", "offset", name=op.f("pk_dead_letters")),
    )
    op.create_index("ix_dead_letters_created", "dead_letters", ["monitor", "created"])

    op.create_table(
        "entities",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("last_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("warming", sa.Boolean(), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "entity", name=op.f("pk_entities")),
    )
    op.create_table(
        "minute_counts",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scored", sa.BigInteger(), nullable=False),
        sa.Column("flagged", sa.BigInteger(), nullable=False),
        sa.Column("exceeding_1", sa.BigInteger(), nullable=False),
        sa.Column("exceeding_2", sa.BigInteger(), nullable=False),
        sa.Column("exceeding_3", sa.BigInteger(), nullable=False),
        sa.Column("exceeding_4", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "minute", "model_version", "shard", name=op.f("pk_minute_counts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "model_versions",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promoted", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trained_records", sa.BigInteger(), nullable=False),
        sa.Column("history_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("history_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evaluation", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "version", name=op.f("pk_model_versions")),
    )
    op.create_index(
        "uq_model_versions_champion",
        "model_versions",
        ["monitor"],
        unique=True,
        sqlite_where=sa.text("status = 'champion'"),
        postgresql_where=sa.text("status = 'champion'"),
    )

    op.create_table(
        "monitors",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("notify", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_monitors")),
    )
    op.create_table(
        "offsets",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "source", "partition", name=op.f("pk_offsets")),
    )
    op.create_table(
        "promotions",
        sa.Column("id", BIG_KEY, nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("champion", sa.Integer(), nullable=True),
        sa.Column("former", sa.Integer(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index("ix_promotions_monitor", "promotions", ["monitor", "id"])

    op.create_table(
        "scorers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_commit", sa.DateTime(timezone=True), nullable=True),
        sa.Column("partitions", sa.JSON(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.Column("lag", sa.BigInteger(), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("records_per_second", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scorers")),
    )
    op.create_index("ix_scorers_monitor", "scorers", ["monitor", "seen"])

    op.create_table(
        "trace",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("surprise", sa.Double(), nullable=False),
        sa.Column("reconstruction", sa.Double(), nullable=False),
        sa.Column("density", sa.Double(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "entity", "slot", name=op.f("pk_trace")),
    )
    op.create_index("ix_trace_time", "trace", ["monitor", "entity", "time"])

    op.create_table(
        "alert_events",
        sa.Column("id", BIG_KEY, nullable=False),
        sa.Column("alert_id", BIG_KEY, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_alert_events_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_events")),
    )
    op.create_index("ix_alert_events_alert", "alert_events", ["alert_id"])

    op.create_table(
        "alert_trace",
        sa.Column("alert_id", BIG_KEY, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("surprise", sa.Double(), nullable=False),
        sa.Column("reconstruction", sa.Double(), nullable=False),
        sa.Column("density", sa.Double(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_alert_trace_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert_id", "time", name=op.f("pk_alert_trace")),
    )
    op.create_table(
        "flagged_records",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alert_id", BIG_KEY, nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("surprise", sa.Double(), nullable=False),
        sa.Column("reconstruction", sa.Double(), nullable=False),
        sa.Column("density", sa.Double(), nullable=False),
        sa.Column("witnesses", sa.JSON(), nullable=False),
        sa.Column("extrapolated", sa.Boolean(), nullable=False),
        sa.Column("warming", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("context", sa.LargeBinary(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.JSON(), nullable=False),
        sa.Column("contributions", sa.JSON(), nullable=False),
        sa.Column("neighbours", sa.JSON(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("place_x", sa.Double(), nullable=False),
        sa.Column("place_y", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_flagged_records_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("monitor", "source", "partition", "offset", name=op.f("pk_flagged_records")),
    )
    op.create_index("ix_flagged_records_alert", "flagged_records", ["alert_id", "time"])
    op.create_index("ix_flagged_records_time", "flagged_records", ["monitor", "time"])

    op.create_table(
        "labels",
        sa.Column("id", BIG_KEY, nullable=False),
        sa.Column("alert_id", BIG_KEY, nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_labels_alert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
    )
    op.create_index("ix_labels_alert", "labels", ["alert_id"])

    op.create_table(
        "notifications",
        sa.Column("id", BIG_KEY, nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("alert_id", BIG_KEY, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_notifications_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notifications_dedupe_key")),
    )
    op.create_index("ix_notifications_alert", "notifications", ["alert_id"])
    op.create_index(
        "ix_notifications_due",
        "notifications",
        ["due"],
        sqlite_where=sa.text("status = 'due'"),
        postgresql_where=sa.text("status = 'due'"),
    )


def downgrade() -> None:
    op.drop_index("ix_notifications_due", table_name="notifications")
    op.drop_index("ix_notifications_alert", table_name="notifications")

    op.drop_table("notifications")
    op.drop_index("ix_labels_alert", table_name="labels")

    op.drop_table("labels")
    op.drop_index("ix_flagged_records_time", table_name="flagged_records")
    op.drop_index("ix_flagged_records_alert", table_name="flagged_records")

    op.drop_table("flagged_records")
    op.drop_table("alert_trace")
    op.drop_index("ix_alert_events_alert", table_name="alert_events")

    op.drop_table("alert_events")
    op.drop_index("ix_trace_time", table_name="trace")

    op.drop_table("trace")
    op.drop_index("ix_scorers_monitor", table_name="scorers")

    op.drop_table("scorers")
    op.drop_index("ix_promotions_monitor", table_name="promotions")

    op.drop_table("promotions")
    op.drop_table("offsets")
    op.drop_table("monitors")
    op.drop_index("uq_model_versions_champion", table_name="model_versions")

    op.drop_table("model_versions")
    op.drop_table("minute_counts")
    op.drop_table("entities")
    op.drop_index("ix_dead_letters_created", table_name="dead_letters")

    op.drop_table("dead_letters")
    op.drop_table("context_snapshots")
    op.drop_index("ix_audit_created", table_name="audit")

    op.drop_table("audit")
    op.drop_index("ix_alerts_started", table_name="alerts")
    op.drop_index("ix_alerts_inbox", table_name="alerts")
    op.drop_index("ix_alerts_entity", table_name="alerts")
    op.drop_index("ix_alerts_ended", table_name="alerts")

    op.drop_table("alerts")
