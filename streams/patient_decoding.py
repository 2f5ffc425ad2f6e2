"""Decoding that needs a service which may be away: pause, keep the partitions, try again. No message is given up for it."""

from threading import Event

import structlog

from domain.clock import Clock
from domain.errors import Unavailable
from domain.record import Decoded
from streams.ports import Decoder, Messages, Source
from streams.waiting import Backoff, Stopped

log = structlog.get_logger()


class PatientDecoder:
    """A decoder that never raises Unavailable: it waits, visibly, while its source is paused."""

    def __init__(self, decoder: Decoder, source: Source, clock: Clock, stop: Event) -> None:
        self._decoder = decoder
        self._source = source
        self._clock = clock
        self._stop = stop

    def decode(self, messages: Messages) -> Decoded:
        """What the decoder gives. Raises Stopped when the process is to stop meanwhile: the messages are read again."""
        try:
            return self._decoder.decode(messages)
        except Unavailable as error:
            log.warning("cannot decode yet, stream paused", reason=str(error))
        self._source.pause()
        try:
            decoded = self._insist(messages)
        finally:
            self._source.resume()
        log.info("stream goes on")
        return decoded

    def _insist(self, messages: Messages) -> Decoded:
        backoff = Backoff()
        while not self._stop.is_set():
            delay = backoff.next()
            deadline = self._clock.monotonic() + delay
            while (left := deadline - self._clock.monotonic()) > 0 and not self._stop.is_set():
                self._source.poll(1, min(left, 1.0))  # paused: brings nothing, but keeps the partitions
            try:
                return self._decoder.decode(messages)
            except Unavailable as error:
                log.warning("still cannot decode", reason=str(error), next_attempt_seconds=round(delay, 1))
        raise Stopped
