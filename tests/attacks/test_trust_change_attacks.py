"""Trust that is withdrawn while a device is connected: the trust domain, an authority in the bundle."""

from __future__ import annotations

from pathlib import Path

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.pki.authority import Authority
from mqttseg.wire.packets import Will
from tests.support.brokers import RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import POLICY, TRUST_DOMAIN, TestSite


def _connected(broker: RunningBroker, device_id: str, **options: Will) -> RawClient:
    client = RawClient(broker.site.tls(device_id), broker.port)
    assert client.connect(device_id, will=options.get("will")).code == 0
    return client


def test_device_of_the_old_trust_domain_is_cut_when_the_domain_changes(tmp_path: Path) -> None:
    with RunningBroker(TestSite(tmp_path)) as broker, _connected(broker, "cam-1") as camera:
        broker.site.write_policy(POLICY.replace("trust_domain: plant7.example", "trust_domain: plant8.example"))
        broker.do(broker.plugin.service.reload)
        camera.expect_end()
        broker.wait_for_reason(Kind.CUT, Reason.IDENTITY_INVALID, "cam-1")


def test_device_of_an_authority_that_left_the_bundle_is_cut_and_others_stay(tmp_path: Path) -> None:
    site = TestSite(tmp_path / "site")
    other = Authority.create(tmp_path / "other", trust_domain=TRUST_DOMAIN)
    stolen = other.issue("cam-9")
    own = site.ca.read_bytes()
    site.ca.write_bytes(own + (tmp_path / "other" / "ca.crt").read_bytes())
    with RunningBroker(site) as broker, _connected(broker, "cam-1") as camera:
        context = site.tls_without_certificate()
        context.load_cert_chain(stolen.certificate_file, stolen.key_file)
        with RawClient(context, broker.port) as thief:
            assert thief.connect("cam-9").code == 0
            site.ca.write_bytes(own)
            broker.do(broker.plugin.service.reload)
            thief.expect_end()
        broker.wait_for_reason(Kind.CUT, Reason.CERTIFICATE_UNTRUSTED, "cam-9")
        camera.ping()


def test_refused_certificate_that_was_revoked_is_told_with_its_device(tmp_path: Path) -> None:
    with RunningBroker(TestSite(tmp_path)) as broker:
        context = broker.site.tls("cam-1")
        broker.site.authority.revoke("cam-1")
        broker.do(broker.plugin.service.reload)
        with RawClient(context, broker.port) as thief:
            thief.expect_end()
        broker.wait_for_reason(Kind.REFUSE, Reason.CERTIFICATE_REVOKED, "cam-1")
