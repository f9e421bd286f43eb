"""A certificate that was here before is not read again, and is judged again all the same."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mqttseg.errors import PeerError, Reason
from mqttseg.pki.identity import Identity, IdentitySource
from mqttseg.pki.known import Known
from mqttseg.pki.revocation import Revocations
from tests.pki.forging import DOMAIN, NOW, Forger, der, uri

FORGER = Forger.new("mqttseg issuing authority")
LEAVES = [der(FORGER.leaf([uri(f"spiffe://{DOMAIN}/device/thermo-{number}")])) for number in range(3)]


def ask(
    known: Known,
    certificate: bytes,
    domain: str = DOMAIN,
    now: datetime = NOW,
    revoked: Revocations = Revocations.none(),  # noqa: B008  # a frozen value
) -> Identity:
    return known.identify(certificate, trust_domain=domain, now=now, revoked=revoked)


def test_a_device_that_comes_again_is_the_same_identity_and_read_once() -> None:
    known = Known(IdentitySource.SAN_URI)
    first = ask(known, LEAVES[0])
    assert first.device_id == "thermo-0"
    assert ask(known, bytes(bytearray(LEAVES[0]))) is first


def test_a_known_certificate_that_ran_out_is_refused_with_its_devices_name() -> None:
    known = Known(IdentitySource.SAN_URI)
    ends = ask(known, LEAVES[0]).not_after
    with pytest.raises(PeerError) as refused:
        ask(known, LEAVES[0], now=ends + timedelta(seconds=1))
    assert (refused.value.reason, refused.value.device) == (Reason.CERTIFICATE_EXPIRED, "thermo-0")


def test_a_known_certificate_that_is_revoked_since_is_refused() -> None:
    known = Known(IdentitySource.SAN_URI)
    identity = ask(known, LEAVES[0])
    revoked = Revocations({identity.serial: frozenset([identity.certificate.issuer.public_bytes()])})
    with pytest.raises(PeerError) as refused:
        ask(known, LEAVES[0], revoked=revoked)
    assert (refused.value.reason, refused.value.device) == (Reason.CERTIFICATE_REVOKED, "thermo-0")


def test_a_known_certificate_is_nobodys_in_another_trust_domain() -> None:
    known = Known(IdentitySource.SAN_URI)
    ask(known, LEAVES[0])
    with pytest.raises(PeerError) as refused:
        ask(known, LEAVES[0], domain="other.example")
    assert refused.value.reason is Reason.IDENTITY_INVALID


def test_a_certificate_that_differs_in_one_byte_is_not_known() -> None:
    known = Known(IdentitySource.SAN_URI)
    other = LEAVES[0].replace(b"thermo-0", b"thermo-9")
    assert [ask(known, one).device_id for one in (LEAVES[0], other)] == ["thermo-0", "thermo-9"]


def test_what_is_refused_is_not_remembered_and_no_certificate_is_missing() -> None:
    known = Known(IdentitySource.SAN_URI)
    for wrong, reason in ((b"", Reason.CERTIFICATE_MISSING), (b"\x30\x00", Reason.IDENTITY_INVALID)):
        with pytest.raises(PeerError) as refused:
            ask(known, wrong)
        assert refused.value.reason is reason
    assert len(known) == 0


def test_flood_of_certificates_is_remembered_up_to_a_bound_and_the_oldest_go() -> None:
    known = Known(IdentitySource.SAN_URI, kept=2)
    first = ask(known, LEAVES[0])
    second = ask(known, LEAVES[1])
    assert ask(known, LEAVES[0]) is first  # so the second is the one unseen for longest
    ask(known, LEAVES[2])
    assert len(known) == 2
    assert ask(known, LEAVES[0]) is first
    assert ask(known, LEAVES[1]) is not second
