"""Devices that were here before: what their certificates say, read once.

Owns a bounded memory of certificates that were read. Refuses to remember a verdict: whether a certificate is in date
and not revoked is asked each time, and the chain is TLS's to prove each time (rule 1).
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from mqttseg.errors import PeerError
from mqttseg.pki.identity import Identity, IdentitySource, check_current, identify
from mqttseg.pki.revocation import Revocations

KEPT = 1024
"""Certificates that are remembered; of more, those that were not seen for longest are forgotten. Some 3 KiB each."""


class Known:
    """Does as ``identify`` does, and faster for a certificate that it identified before."""

    def __init__(self, source: IdentitySource, kept: int = KEPT) -> None:
        self._source = source
        self._kept = kept
        self._identities: OrderedDict[tuple[bytes, str], Identity] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._identities)

    def identify(self, der: bytes | None, *, trust_domain: str, now: datetime, revoked: Revocations) -> Identity:
        """As ``identity.identify``, with its errors."""
        if not der:
            return identify(der, source=self._source, trust_domain=trust_domain, now=now, revoked=revoked)
        key = der, trust_domain  # the whole certificate: what has the same bytes says the same
        identity = self._identities.get(key)
        if identity is None:
            identity = identify(der, source=self._source, trust_domain=trust_domain, now=now, revoked=revoked)
            self._remember(key, identity)
            return identity
        self._identities.move_to_end(key)
        try:
            check_current(identity, now=now, revoked=revoked)
        except PeerError as error:
            raise PeerError(error.reason, error.detail, device=identity.device_id) from None
        return identity

    def _remember(self, key: tuple[bytes, str], identity: Identity) -> None:
        self._identities[key] = identity
        if len(self._identities) > self._kept:
            self._identities.popitem(last=False)
