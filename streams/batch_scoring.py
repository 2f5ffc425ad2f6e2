"""Scoring a file without a database: one object a record, in input order, dead letters among them.

Records -> rows of `{"position", "surprise", "reconstruction", "density", "flagged"}`, or `{"position", "error"}`.
"""

from collections.abc import Iterator
from typing import Any

from detector.interface import Detector
from domain.errors import InvalidInput
from domain.monitor import AlertPolicy
from streams.context_store import ContextStore
from streams.ports import Decoder, Messages, Source
from streams.salvage import extend_sound, score_sound

BATCH_RECORDS = 8_192
_POLL_SECONDS = 0.5


class RowScorer:
    """Scores the batches of one stream in their order. Remembers contexts, writes nothing."""

    def __init__(self, decoder: Decoder, detector: Detector, policy: AlertPolicy) -> None:
        self.decoder = decoder
        self._detector = detector
        self._threshold = detector.threshold(policy)
        self._contexts = ContextStore(detector.context)

    def score(self, messages: Messages) -> list[dict[str, Any]]:
        """One row a message, in their order; messages of one partition."""
        decoded = self.decoder.decode(messages)
        extended, unfit = extend_sound(self._contexts, decoded.batch, messages)
        scored, unscorable = score_sound(self._detector, extended, messages)
        batch, scores = scored.batch, scored.scores
        rows: list[dict[str, Any]] = [
            {
                "position": offset,
                "surprise": surprise,
                "reconstruction": reconstruction,
                "density": density,
                "flagged": surprise >= self._threshold,
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
        return sorted(rows + errors, key=lambda row: row["position"]) if errors else rows


def score_records(source: Source, scorer: RowScorer) -> Iterator[list[dict[str, Any]]]:
    """Score a source of one partition from its beginning to its end, a batch of rows at a time.

    Raises InvalidInput for a source that never ends.
    """
    if source.live:
        raise InvalidInput(f"{source.name} never ends; score it into the database, without --input and --output")
    source.open()
    for partition in source.changes().gained:
        source.seek(partition, source.start_offset(partition))
    while not source.finished:
        messages = source.poll(BATCH_RECORDS, _POLL_SECONDS)
        if len(messages):
            yield scorer.score(messages)
