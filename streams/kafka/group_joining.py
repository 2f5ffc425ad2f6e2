"""Keeps what a group assigned while nobody was polling, which kafka-python (3.0.12) loses in two ways.

The client joins a group in a task of its IO thread, which may end between two polls. Then

- the next poll takes the finished task for none, throws its assignment away and joins anew, which makes every other
  member join anew too: members that do something else between short polls can keep each other from settling;
- where it joined because the topic's partitions had become known, the next poll finds them known and sees no reason to
  join: the task is never asked, heartbeats stay off, and the member goes on with partitions that the group soon gives
  to others.

Both happen to scorers, whose polls are short and whose commits are not, most of all while they start or their database
is away. Nothing is lost or doubled then, since positions are fenced in the database, but partitions stand still.
"""

from typing import Any

from kafka import KafkaConsumer

_PARTS = ("_do_join_and_sync_async", "_on_join_complete_async", "_generation", "need_rejoin", "rejoining")


def keep_assignments(consumer: KafkaConsumer) -> bool:
    """Have a consumer finish each join it began, with the assignment that came of it.

    A kept assignment may be out of date by then, as it may be after any poll: the next heartbeat tells, and the member
    joins anew. False where this version of the client joins otherwise.
    """
    coordinator: Any = getattr(consumer, "_coordinator", None)
    if not all(hasattr(coordinator, part) for part in _PARTS):
        return False
    join, complete = coordinator._do_join_and_sync_async, coordinator._on_join_complete_async
    need_rejoin = coordinator.need_rejoin
    kept: list[tuple[object, bytes]] = []

    async def join_once() -> bytes:
        if kept and kept[0][0] is coordinator._generation:
            return kept[0][1]
        kept.clear()
        assignment: bytes = await join()
        kept.append((coordinator._generation, assignment))
        return assignment

    async def complete_once(*arguments: Any) -> None:
        kept.clear()
        await complete(*arguments)

    coordinator._do_join_and_sync_async = join_once
    coordinator._on_join_complete_async = complete_once
    coordinator.need_rejoin = lambda: coordinator.rejoining or need_rejoin()
    return True
