"""What every page and API route needs, carried by the request instead of a module's global."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from latentwatch.alerts.database import Engine
from latentwatch.detector.bundle import Bundled, load_bundle
from latentwatch.domain.clock import Clock
from latentwatch.review.config import ReviewConfig
from latentwatch.review.likeness import Likenesses

_KEY = "latentwatch.room"


class BundleCache:
    """Loaded bundles, the few used last; safe to share between threads."""

    def __init__(self, root: str, most: int = 4) -> None:
        self.root = root
        self._most = most
        self._held: OrderedDict[str, Bundled] = OrderedDict()
        self._bases: dict[str, str] = {}
        self._lock = threading.Lock()

    def detector(self, bundle: str) -> Bundled:
        """The detector of a bundle. Raises BundleRefused when it is gone or damaged."""
        with self._lock:
            if bundle in self._held:
                self._held.move_to_end(bundle)
                return self._held[bundle]
            self._held[bundle] = load_bundle(self.root, bundle)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
            return self._held[bundle]

    def basis(self, bundle: str) -> str:
        """What its map shares with those of other versions, empty where nothing; remembered. Raises as `detector` does."""
        if bundle not in self._bases:
            self._bases[bundle] = self.detector(bundle).map_ground().basis
        return self._bases[bundle]


@dataclass(frozen=True)
class Room:
    """One review app's database, bundles and clock."""

    engine: Engine
    config: ReviewConfig
    bundles: str
    clock: Clock
    bundle_cache: BundleCache = field(init=False)
    likenesses: Likenesses = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bundle_cache", BundleCache(self.bundles))
        object.__setattr__(self, "likenesses", Likenesses())

    def now(self) -> datetime:
        """Wall time."""
        return self.clock.now()


class CarryRoom:
    """Puts the room into every request's scope."""

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self.app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_KEY] = self._room
        await self.app(scope, receive, send)


def room_of(request: Request) -> Room:
    """The room that a request came into."""
    return cast(Room, request.scope[_KEY])


InRoom = Annotated[Room, Depends(room_of)]
