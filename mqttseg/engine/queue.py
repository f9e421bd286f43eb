"""What a session is owed and was not sent yet.

Owns the bound by number and bytes, and the choice of what to drop. Refuses to know why it waits.
"""

from __future__ import annotations

from collections import deque

from mqttseg.engine.message import Delivery
from mqttseg.engine.settings import Drop, EngineSettings


class DeliveryQueue:
    """First in, first out; full by number or by bytes of topics and payloads."""

    __slots__ = ("_settings", "bytes", "items")

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self.items: deque[Delivery] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self.items)

    def put(self, delivery: Delivery) -> list[Delivery]:
        """Add it at the end. Returns what had to be dropped for it, which may be itself."""
        dropped: list[Delivery] = []
        size = delivery.message.size
        while not self._fits(size):
            if self._settings.drop is Drop.NEWEST or not self.items:
                return [*dropped, delivery]
            dropped.append(self.take())
        self.items.append(delivery)
        self.bytes += size
        return dropped

    def restore(self, delivery: Delivery) -> None:
        """Add it at the end without asking the bounds: it was accepted before a restart."""
        self.items.append(delivery)
        self.bytes += delivery.message.size

    def take(self) -> Delivery:
        """Remove the first. IndexError when empty."""
        delivery = self.items.popleft()
        self.bytes -= delivery.message.size
        return delivery

    def _fits(self, size: int) -> bool:
        settings = self._settings
        return len(self.items) < settings.queue_messages and self.bytes + size <= settings.queue_bytes
