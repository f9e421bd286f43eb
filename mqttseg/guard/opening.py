"""From CONNECT to a session: judged, kept until the session is free, judged again, and only then begun (rule 2).

Refuses to know what passes once the session has begun.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from mqttseg.errors import ProtocolError
from mqttseg.guard.admission import Admission, Refusal, admit
from mqttseg.wire.packets import Connect, Packet

if TYPE_CHECKING:
    from mqttseg.guard.connection import Connection
    from mqttseg.guard.keeper import Keeper

OPENING = "opening"


class Opening:
    """The one CONNECT of a connection. Ends in ``begin`` or ``refuse_connect`` of the connection, or not at all."""

    __slots__ = ("_connect", "_connection", "_guard", "_unnamed")

    def __init__(self, packet: Packet, connection: Connection, guard: Keeper[Connection]) -> None:
        if not isinstance(packet, Connect):
            raise ProtocolError(f"{type(packet).__name__.upper()} before CONNECT")  # [MQTT-3.1.0-1]
        self._connect = packet
        self._connection = connection
        self._guard = guard
        self._unnamed = f"unnamed-{secrets.token_hex(8)}"

    def begin(self) -> None:
        """Judge, and read no further until the session is free; who is refused here has cost nobody a session."""
        admission = self._admit()
        if admission is not None:
            connection = self._connection
            connection.key = admission.key
            connection.hold(OPENING)
            self._guard.spawn(self._wait(admission.key), f"open {admission.key}")

    def _admit(self) -> Admission | None:
        try:
            admission = admit(self._connect, self._connection.rights, self._guard.client_id, self._unnamed)
            self._guard.check_room(self._connection, admission)
        except Refusal as refusal:
            self._connection.refuse_connect(refusal)
            return None
        return admission

    async def _wait(self, key: str) -> None:
        """Until the session is free; then judge again, since the policy may have changed."""
        await self._guard.take_over(self._connection, key)
        admission = None if self._connection.closed else self._admit()
        if admission is not None:
            self._connection.begin(admission)
            self._connection.release(OPENING)
