"""Whether a CONNECT is admitted, and as which session: rules 2 and 3, before the backend sees a byte.

Pure. Refuses to know sockets and sessions that exist.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from mqttseg.config import ClientIds
from mqttseg.errors import MqttsegError, Reason
from mqttseg.guard.verdict import judge
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision
from mqttseg.policy.model import Action, Mode
from mqttseg.wire.packets import LEVEL, Connect, Will

UNACCEPTABLE_PROTOCOL = 1
IDENTIFIER_REJECTED = 2
SERVER_UNAVAILABLE = 3
NOT_AUTHORIZED = 5


CLIENT_ID_LENGTH = 256
"""Characters that are kept of a client id, with every message and event of its session (rule 8)."""

_SHOWN = 192


class Refusal(MqttsegError):  # noqa: N818  # MQTT's own word for what CONNACK then says
    """A CONNECT that is not admitted: the CONNACK code for the device, the reason and rule for the operator."""

    def __init__(self, code: int, reason: Reason, detail: str, decision: Decision | None = None) -> None:
        self.code = code
        self.reason = reason
        self.detail = detail
        self.decision = decision
        super().__init__(f"{reason}: {detail}")


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted CONNECT: what the backend may see of it, and the will, which the guard keeps (rule 3)."""

    connect: Connect
    will: Will | None

    @property
    def key(self) -> str:
        """The session key: a device id, alone or followed by ``/`` and the device's own name for the session."""
        return self.connect.client_id


def admit(connect: Connect, rights: Rights, mode: ClientIds, unnamed: str) -> Admission:
    """Judge a CONNECT by the rights of the device that sent it. ``unnamed``: see ``session_key``.

    Raises:
        Refusal: with the CONNACK return code (3.2.2.3).
    """
    if connect.level != LEVEL:
        raise Refusal(UNACCEPTABLE_PROTOCOL, Reason.PROTOCOL_ERROR, f"protocol level {connect.level} is not 4")
    if rights.placement is None and rights.site.policy.mode is not Mode.OBSERVE:
        raise Refusal(NOT_AUTHORIZED, Reason.NO_SEGMENT, "the device is a member of no segment")
    key = session_key(connect, rights.device_id, mode, unnamed)
    if connect.will is not None:
        _judge_will(connect.will, rights)
    return Admission(replace(connect, client_id=key, will=None, username=None, password=None), connect.will)


def session_key(connect: Connect, device_id: str, mode: ClientIds, unnamed: str) -> str:
    """The key under which the session is kept; it begins with the device id, so no other device can reach it.

    ``unnamed``: a client id that no other connection has, for a client that leaves the choice to us [MQTT-3.1.3-6].

    Raises:
        Refusal: the client id is not this device's.
    """
    client_id = connect.client_id
    if not client_id:
        if not connect.clean_session:  # [MQTT-3.1.3-8]
            raise Refusal(IDENTIFIER_REJECTED, Reason.CLIENT_ID_MISMATCH, "empty client id without clean session")
        return device_id if mode is ClientIds.BOUND else f"{device_id}/{unnamed}"
    if mode is ClientIds.ANY:
        return f"{device_id}/{_kept(client_id)}"
    if client_id == device_id or _is_suffixed(client_id, device_id):
        return _kept(client_id)
    raise Refusal(
        IDENTIFIER_REJECTED,
        Reason.CLIENT_ID_MISMATCH,
        f"client id {_kept(client_id)!r} is neither {device_id!r} nor {device_id + '/SUFFIX'!r}",
    )


def _kept(client_id: str) -> str:
    """A client id as it is kept: a long one by its beginning and its digest, which is longer than any that is kept
    whole. So a device may use all 65,535 bytes, and no two of its client ids share a session."""
    if len(client_id) <= CLIENT_ID_LENGTH:
        return client_id
    return f"{client_id[:_SHOWN]}~{sha256(client_id.encode()).hexdigest()}"


def _is_suffixed(client_id: str, device_id: str) -> bool:
    prefix, _, suffix = client_id.partition("/")
    return prefix == device_id and bool(suffix) and suffix.isprintable() and not set(suffix) & set("+#")


def _judge_will(will: Will, rights: Rights) -> None:
    decision = judge(rights, Action.PUBLISH, will.topic)
    if not decision.passes:
        raise Refusal(NOT_AUTHORIZED, Reason.WILL_NOT_GRANTED, f"will on {will.topic!r}: {decision.reason}", decision)
    limit = rights.limits.payload
    if limit is not None and len(will.payload) > limit:
        raise Refusal(NOT_AUTHORIZED, Reason.PAYLOAD_TOO_LARGE, f"will of {len(will.payload)} bytes, limit {limit}")
