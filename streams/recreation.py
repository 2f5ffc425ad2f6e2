"""A topic that was deleted and made anew: noticed by its id, answered by the monitor's policy, read under a later name.

The offsets of both topics begin at 0. Read on as if it were the old one, the new topic's first records, as many as the
old one had, would never be scored, and its records would meet the old one's results at their positions.
"""

from typing import Literal

import structlog

from latentwatch.domain.errors import StreamRefused
from latentwatch.domain.outcome import AuditEntry
from latentwatch.domain.record import later_name
from latentwatch.streams.ports import Source, Store

log = structlog.get_logger()

RecreationPolicy = Literal["stop", "restart"]


def take_up_stream(source: Source, store: Store, policy: RecreationPolicy) -> None:
    """Name an open source as its topic's stream is called; where the topic is new, begin that stream or refuse it.

    Positions from before topics were told apart are taken for those of the topic that is there now. Raises Unavailable,
    and StreamRefused as the policy says.
    """
    if source.topic_id is None:
        return
    streams = store.topics_of(source.name)
    if source.name not in streams:
        return
    known = streams[source.name]
    if known is None:
        store.learn_topic(source.name, source.topic_id)
    elif known != source.topic_id:
        name = later_name(source.name, source.topic_id)
        if name not in streams:
            if policy == "stop":
                raise StreamRefused(refusal(store.monitor, source.name, known, source.topic_id))
            starts = {partition: source.start_offset(partition) for partition in source.starts()}
            store.begin(name, starts, source.topic_id, _note(source.name, known, source.topic_id, name))
            log.warning("the topic was made anew, read from its first record", topic=source.name, stream=name)
        source.name = name


def refusal(monitor: str, stream: str, known: str, found: str) -> str:
    """Why a scorer stops that does not find the topic it was reading, and what a person can do."""
    return (
        f"{_recreated(stream, known, found)}. Its offsets begin anew, so that going on would leave as many records as the"
        " old topic had unscored. Set on_recreated: restart in the monitor to read the new topic from its first record,"
        f" or say where to begin: latentwatch offsets reset {monitor} --to earliest|latest|TIME"
    )


def _note(stream: str, known: str, found: str, name: str) -> AuditEntry:
    return AuditEntry(
        "topic_recreated",
        None,
        f"{_recreated(stream, known, found)}; read from its first record as on_recreated says, as the stream {name}",
    )


def _recreated(stream: str, known: str, found: str) -> str:
    return f"the topic of {stream} was deleted and made anew: its id was {known} and is {found} now"
