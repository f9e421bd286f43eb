"""Which connections there are: by device, and by session."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

ConnectionT = TypeVar("ConnectionT", bound=Hashable)

SESSION_END_TIMEOUT = 10.0
"""Seconds that a newcomer waits for the backend to let go of the session it takes over."""


class Roster(Generic[ConnectionT]):
    """Connections whose device is known, and who has which session. Decides nothing but who comes first."""

    def __init__(self) -> None:
        self._by_device: dict[str, dict[ConnectionT, None]] = {}
        self._by_key: dict[str, ConnectionT] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[ConnectionT]:
        """Every connection, safe against changes meanwhile."""
        return iter([c for connections in self._by_device.values() for c in connections])

    def __len__(self) -> int:
        """Sessions that are connected."""
        return len(self._by_key)

    def of(self, device_id: str) -> list[ConnectionT]:
        """The device's connections, oldest first."""
        return list(self._by_device.get(device_id, ()))

    def add(self, device_id: str, connection: ConnectionT) -> None:
        """A connection proved to be this device's."""
        self._by_device.setdefault(device_id, {})[connection] = None

    def remove(self, device_id: str, connection: ConnectionT) -> None:
        """The connection is gone."""
        connections = self._by_device.get(device_id)
        if connections is not None:
            connections.pop(connection, None)
            if not connections:
                del self._by_device[device_id]

    def holder(self, key: str) -> ConnectionT | None:
        """The connection that has the session."""
        return self._by_key.get(key)

    def claim(self, key: str, connection: ConnectionT) -> None:
        """The session is this connection's from now on."""
        self._by_key[key] = connection

    def yield_claim(self, key: str, connection: ConnectionT) -> None:
        """The connection no longer wants the session."""
        if self._by_key.get(key) is connection:
            del self._by_key[key]

    def leave(self, key: str, connection: ConnectionT, ending: asyncio.Task[None]) -> None:
        """The connection gives up the session, which is free once ``ending`` is done."""
        self.yield_claim(key, connection)
        self._ending[key] = ending
        ending.add_done_callback(lambda _: self._ending.pop(key, None))

    async def free(self, key: str) -> None:
        """Return when nobody holds the session and the backend has let go of it, or after a bounded time."""
        ending = self._ending.get(key)
        if ending is not None:
            await asyncio.wait([ending], timeout=SESSION_END_TIMEOUT)
            if self._ending.get(key) is ending:
                del self._ending[key]

    def is_ending(self, key: str) -> bool:
        """Whether the backend has not let go of the session yet."""
        return key in self._ending
