"""Wrong passwords and tokens cost growing pauses, each address its own, so that nobody can lock the others out."""

import ipaddress
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b

from latentwatch.domain.clock import Clock

FREE = 3
"""Wrong guesses without a pause: people mistype."""
LONGEST_SECONDS = 900.0
_FORGET_SECONDS = 3600.0
_MOST_ADDRESSES = 10_000
"""Remembered at once; the one that guessed longest ago makes room."""


@dataclass
class _Tally:
    wrong: int = 0
    until: float = 0.0
    """Before that moment of the monotonic clock nothing from this address is looked at."""
    last: float = 0.0
    digests: list[bytes] = field(default_factory=list)
    """Of the last wrong guesses: the same one again tells a guesser nothing, and is what a program with an old token does."""


class Guesses:
    """Counts wrong guesses by address. Pauses grow: none for the first three, then 1, 2, 4, ... seconds up to 15 minutes.

    Not thread-safe; all calls come from the event loop.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tallies: OrderedDict[str, _Tally] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def pause(self, address: str) -> float:
        """Seconds until the next guess of an address is looked at; 0 when it may try."""
        tally = self._tallies.get(_network(address))
        return max(0.0, tally.until - self._clock.monotonic()) if tally else 0.0

    def wrong(self, address: str, guess: str) -> None:
        """Count a wrong guess."""
        now, name = self._clock.monotonic(), _network(address)
        tally = self._tallies.pop(name, None)
        if tally is None or now - tally.last > _FORGET_SECONDS:
            tally = _Tally()
        self._tallies[name] = tally
        while len(self._tallies) > _MOST_ADDRESSES:
            self._tallies.popitem(last=False)
        tally.last = now
        digest = blake2b(guess.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()
        if digest in tally.digests:
            return
        tally.digests = [*tally.digests[-FREE:], digest]
        tally.wrong += 1
        if tally.wrong >= FREE:
            tally.until = now + min(LONGEST_SECONDS, 2.0 ** min(tally.wrong - FREE, 20))

    def right(self, address: str) -> None:
        """Forget an address's wrong guesses."""
        self._tallies.pop(_network(address), None)


def _network(address: str) -> str:
    """What counts as one address: an IPv6 customer has a whole /64 to guess from."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
