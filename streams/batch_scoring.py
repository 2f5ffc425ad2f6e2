"""Scoring a file without a database: one object a record, in input order, dead letters among them.

Records -> rows of `{"position", "surprise", "reconstruction", "density", "flagged"}`, or `{"position", "error"}`.
"""

from collections.abc import Iterator
from typing import Any

from detector.interface import Detector
from domain.errors import InvalidInput
from domain.monitor import AlertPolicy
from streams.context_store import ContextStore
from streams.ports import Decoder, Source
from streams.salvage import extend_sound, score_sound

_BATCH_RECORDS = 8_192
_POLL_SECONDS = 0.5


def score_records(
    source: Source, decoder: Decoder, detector: Detector, policy: AlertPolicy
) -> Iterator[list[dict[str, Any]]]:
    """Score a source of one partition from its beginning to its end, a batch of rows at a time.

    Nothing is remembered afterwards. Raises InvalidInput for a source that never ends.
    """
    if source.live:
        raise InvalidInput(f"{source.name} never ends; score it into the database, without --input and --output")
    threshold = detector.threshold(policy)
    contexts = ContextStore(detector.context)
    source.open()
    for partition in source.changes().gained:
        source.seek(partition, source.start_offset(partition))
    while not source.finished:
        messages = source.poll(_BATCH_RECORDS, _POLL_SECONDS)
        if not len(messages):
            continue
        decoded = decoder.decode(messages)
        extended, unfit = extend_sound(contexts, decoded.batch, messages)
        scored, unscorable = score_sound(detector, extended, messages)
        batch, scores = scored.batch, scored.scores
        rows: list[dict[str, Any]] = [
            {
                "position": offset,
                "surprise": surprise,
                "reconstruction": reconstruction,
                "density": density,
                "flagged": surprise >= threshold,
            }
            for offset, surprise, reconstruction, density in zip(
                batch.offsets.tolist(),
                scores.surprise.tolist(),
                scores.reconstruction.tolist(),
                scores.density.tolist(),
                strict=True,
            )
        ]
        errors = [
            {"position": letter.position.offset, "error": letter.reason}
            for letter in (*decoded.dead_letters, *unfit, *unscorable)
        ]
        yield sorted(rows + errors, key=lambda row: row["position"]) if errors else rows
