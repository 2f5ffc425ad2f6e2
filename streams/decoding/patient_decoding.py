"""The scoring loop's decoding: no message stops it, and a service that is away is waited for.

While it is away: rest, keep the partitions, read the messages again.
"""

from threading import Event

import structlog

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.record import Decoded, decoded_together
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.ports import Decoder, Messages, Source
from latentwatch.streams.waiting import Backoff

log = structlog.get_logger()


_PIECE = 2_048
"""Messages decoded at a time: what a decoder makes of a record on its way to the columns takes several times its bytes,
and stays near the processor where it is little."""


class PatientDecoder:
    """Decodes, or says that it cannot yet. No message becomes a dead letter because a service is away.

    A message that the decoder fails on does, alone."""

    def __init__(self, decoder: Decoder, source: Source, clock: Clock) -> None:
        self._decoder = decoder
        self._source = source
        self._clock = clock
        self._backoff: Backoff | None = None

    def decode(self, messages: Messages, stop: Event) -> Decoded | None:
        """None where a service is away, after a pause of the source; then the messages must be read again."""
        try:
            decoded = _in_pieces(self._decoder, messages)
        except Unavailable as error:
            self._rest(error, stop)
            return None
        if self._backoff is not None and len(messages):
            self._backoff = None
            log.info("messages can be decoded again, stream goes on")
        return decoded

    def _rest(self, error: Unavailable, stop: Event) -> None:
        self._backoff = self._backoff or Backoff()
        delay = self._backoff.next()
        log.warning("cannot decode yet, stream paused", reason=str(error), next_attempt_seconds=round(delay, 1))
        deadline = self._clock.monotonic() + delay
        self._source.pause()
        try:
            while (left := deadline - self._clock.monotonic()) > 0 and not stop.is_set():
                self._source.poll(1, min(left, 1.0))  # paused: brings nothing, but keeps the partitions
        finally:
            self._source.resume()


def _in_pieces(decoder: Decoder, messages: Messages) -> Decoded:
    if len(messages) <= _PIECE:
        return decode_sound(decoder, messages)
    parts = [decode_sound(decoder, messages.cut(start, start + _PIECE)) for start in range(0, len(messages), _PIECE)]
    return decoded_together(parts)
