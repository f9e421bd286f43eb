"""Whether one more retained message fits: in all, and in the share of the device that publishes it (rule 8).

Owns what was let through and may not be stored yet: a backend may take its time, and a device may send a thousand
topics in one write. Refuses to know which device may publish where, and sizes.
"""

from __future__ import annotations

from mqttseg.guard.backend import Backend

_STORED_WITHIN = 10.0
"""Seconds after which a retained message that the backend has not stored is not going to be."""


class Retaining:
    """``most`` in all; ``share`` of one device, so that no device can keep the others from retaining anything."""

    def __init__(self, most: int, share: int) -> None:
        self._most = most
        self._share = share
        self._waiting: dict[str, dict[str, float]] = {}

    def admits(self, topic: str, device_id: str, backend: Backend, now: float) -> bool:
        """Whether the message may be retained; then it counts from now on. Replacing one is no more than before."""
        retained = backend.retained_origins()
        if topic in retained or topic in self._waiting.get(device_id, ()):
            return True
        if self._is_full(device_id, backend):
            self._settle(backend, now)
            if self._is_full(device_id, backend):
                return False
        self._waiting.setdefault(device_id, {})[topic] = now
        return True

    def _is_full(self, device_id: str, backend: Backend) -> bool:
        waiting = len(self._waiting.get(device_id, ()))
        if waiting + backend.retained_by(device_id) >= self._share:
            return True
        return sum(map(len, self._waiting.values())) + len(backend.retained_origins()) >= self._most

    def _settle(self, backend: Backend, now: float) -> None:
        """Forget what the backend has stored by now, and what it never will."""
        retained = backend.retained_origins()
        for device_id, topics in list(self._waiting.items()):
            left = {topic: at for topic, at in topics.items() if topic not in retained and now - at < _STORED_WITHIN}
            if left:
                self._waiting[device_id] = left
            else:
                del self._waiting[device_id]
