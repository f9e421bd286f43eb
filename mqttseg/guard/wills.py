"""The will of a device that is gone: whether it is published, judged by what is in force when it fires (rule 3).

Refuses to know why a connection ended, but for the reasons after which nobody has a last word.
"""

from __future__ import annotations

from collections.abc import Callable

from mqttseg.errors import PeerError, Reason
from mqttseg.guard.connection import Connection
from mqttseg.guard.keeper import Keeper
from mqttseg.guard.verdict import judge
from mqttseg.observe.events import Event, Kind
from mqttseg.pki.identity import Identity
from mqttseg.policy.compiled import Rights
from mqttseg.policy.decide import Decision
from mqttseg.policy.model import Action
from mqttseg.wire.packets import Will

_NO_LAST_WORD = frozenset({Reason.CERTIFICATE_REVOKED, Reason.CERTIFICATE_EXPIRED, Reason.QUARANTINED})
"""A device that was put out for one of these does not have its will published."""


class Wills:
    """The wills of all connections. ``check_standing`` raises PeerError for a device that would not be let in now."""

    def __init__(self, keeper: Keeper[Connection], check_standing: Callable[[Identity], None]) -> None:
        self._keeper = keeper
        self._check_standing = check_standing
        self._forgone = False

    def forgo(self) -> None:
        """The broker stops: no will fires from here on."""
        self._forgone = True

    def fire(self, connection: Connection) -> None:
        """Publish the will, if the device may publish there now. Once."""
        will, connection.will = connection.will, None
        if will is None or self._forgone or connection.key is None or not self._has_last_word(connection):
            return
        rights = connection.rights
        self._count(rights)
        decision = judge(rights, Action.PUBLISH, will.topic)
        refused = self._refusal(will, decision, rights)
        kind = Kind.WILL if refused is None else Kind.DENY
        rule = None if decision.rule is None else str(decision.rule)
        reason = refused or Reason.OK
        connection.report(Event(kind, reason, action="will", topic=will.topic, rule=rule, observed=decision.observed))
        if refused is None:
            self._keeper.backend.publish(will, connection.key)

    def _count(self, rights: Rights) -> None:
        """Against its rate, or a device would publish past it by leaving again and again."""
        bucket = self._keeper.bucket(rights)
        if bucket is not None:
            bucket.take(self._keeper.loop.time())

    def _has_last_word(self, connection: Connection) -> bool:
        """Not who was put out, nor who would be if its connection had not just ended by itself."""
        identity = connection.identity
        if identity is None or connection.why in _NO_LAST_WORD:
            return False
        try:
            self._check_standing(identity)
            connection.check_name()
        except PeerError:
            return False
        return True

    def _refusal(self, will: Will, decision: Decision, rights: Rights) -> Reason | None:
        if not decision.passes:
            return Reason.WILL_NOT_GRANTED
        limit = rights.limits.payload
        if limit is not None and len(will.payload) > limit:
            return Reason.PAYLOAD_TOO_LARGE
        if will.retain and will.payload and not self._keeper.may_retain(will.topic, rights.device_id):
            return Reason.RATE_LIMIT
        return None
