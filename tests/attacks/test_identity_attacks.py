"""Somebody who is not cam-1 tries to be, by certificate: rule 1 of the rules of enforcement."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Connect, Disconnect, Will
from tests.support.brokers import BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.forged import ANY_USAGE, SERVER, Forged, Forger, dns, key_pem, self_signed, uri, without_its_key
from tests.support.sites import TRUST_DOMAIN, TestSite
from tests.support.victims import Victim, Watch, assert_shut_out

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def broker(backend: BackendName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with RunningBroker(TestSite(tmp_path_factory.mktemp("site"))) as running:
        yield running


@pytest.fixture(scope="module")
def victim(broker: RunningBroker) -> Iterator[Victim]:
    with Victim(broker) as one:
        yield one


@pytest.fixture(autouse=True)
def unharmed(victim: Victim) -> Iterator[None]:
    """Whatever was tried, the victim is at work as before."""
    yield
    victim.assert_unharmed()


@pytest.fixture
def forger(broker: RunningBroker) -> Forger:
    return Forger.inside(broker.site)


def attack(broker: RunningBroker, forged: Forged, directory: Path, reason: Reason) -> None:
    watch = Watch(broker)
    assert_shut_out(forged.tls(broker.site, directory), broker)
    assert watch.wait_for(Kind.REFUSE, reason).action == "connect"
    assert watch.count(Kind.CONNECT) == 0


class TestNotOurs:
    def test_no_certificate(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        assert_shut_out(broker.site.tls(None), broker)
        watch.wait_for(Kind.REFUSE, Reason.CERTIFICATE_MISSING)

    def test_self_signed(self, broker: RunningBroker, tmp_path: Path) -> None:
        attack(broker, self_signed(), tmp_path, Reason.CERTIFICATE_UNTRUSTED)

    def test_other_authority_with_our_authoritys_names(self, broker: RunningBroker, tmp_path: Path) -> None:
        attack(broker, Forger.outside(broker.site).leaf(), tmp_path, Reason.CERTIFICATE_UNTRUSTED)

    def test_other_authority_with_our_authoritys_certificate_in_its_chain(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path
    ) -> None:
        leaf = Forger.outside(broker.site).leaf()
        attack(broker, Forged(leaf.certificate, leaf.key, forger.pem), tmp_path, Reason.CERTIFICATE_UNTRUSTED)

    def test_device_as_an_authority(self, broker: RunningBroker, forger: Forger, tmp_path: Path) -> None:
        """A device signs a certificate for the victim's id with its own key, and shows its own as the chain."""
        device = forger.leaf(uri("cam-2"))
        chain = Forger(device.certificate, device.key).leaf()
        forged = Forged(chain.certificate, chain.key, chain.chain + forger.pem)
        attack(broker, forged, tmp_path, Reason.CERTIFICATE_UNTRUSTED)

    def test_authoritys_own_certificate(self, broker: RunningBroker, forger: Forger, tmp_path: Path) -> None:
        attack(broker, Forged(forger.certificate, forger.key), tmp_path, Reason.IDENTITY_INVALID)

    def test_brokers_own_certificate(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        context = broker.site.tls(None)
        certs = broker.site.root / "certs"
        context.load_cert_chain(certs / "broker.crt", certs / "broker.key")
        assert_shut_out(context, broker)
        watch.wait_for(Kind.REFUSE, Reason.IDENTITY_INVALID)

    def test_victims_certificate_without_its_key(self, broker: RunningBroker, tmp_path: Path) -> None:
        stolen = x509.load_pem_x509_certificate(broker.site.device("cam-1")[0].read_bytes())
        certificate, key = without_its_key(stolen)
        (tmp_path / "stolen.crt").write_bytes(certificate)
        (tmp_path / "stolen.key").write_bytes(key)
        context = broker.site.tls(None)
        context.load_cert_chain(tmp_path / "stolen.crt", tmp_path / "stolen.key")
        watch = Watch(broker)
        assert_shut_out(context, broker)
        assert "signature" in watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR).detail


class TestOursButWrong:
    @pytest.mark.parametrize(
        ("begins", "ends", "detail"),
        [(NOW - 2 * DAY, NOW - DAY, "expired"), (NOW + DAY, NOW + 2 * DAY, "not yet valid")],
        ids=["expired", "not yet valid"],
    )
    def test_out_of_date(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path, begins: datetime, ends: datetime, detail: str
    ) -> None:
        watch = Watch(broker)
        attack(broker, forger.leaf(begins=begins, ends=ends), tmp_path, Reason.CERTIFICATE_EXPIRED)
        assert watch.wait_for(Kind.REFUSE, Reason.CERTIFICATE_EXPIRED).detail == detail

    @pytest.mark.parametrize("usages", [(), SERVER, ANY_USAGE], ids=["no usage", "serverAuth only", "any usage"])
    def test_not_a_client_certificate(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path, usages: tuple[x509.ObjectIdentifier, ...]
    ) -> None:
        attack(broker, forger.leaf(usages=usages), tmp_path, Reason.IDENTITY_INVALID)

    @pytest.mark.parametrize(
        "san",
        [
            (uri("cam-1"), uri("cam-2")),
            (uri("cam-1"), uri("cam-1")),
            (uri("cam-1"), uri("cam-1", "other.example")),
            (uri("cam-1"), (0x86, b"https://plant7.example/cam-1")),
            (dns("cam-1"),),
        ],
        ids=["two devices", "one device twice", "two trust domains", "another URI", "no URI"],
    )
    def test_not_exactly_one_san_uri(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path, san: tuple[tuple[int, bytes], ...]
    ) -> None:
        attack(broker, forger.leaf(*san), tmp_path, Reason.IDENTITY_INVALID)

    @pytest.mark.parametrize(
        "trust_domain",
        [
            "plant7",
            "plant7.exampl",
            "plant7.example.",
            "plant7.example.evil",
            "evil.plant7.example",
            "evil-plant7.example",
            "PLANT7.EXAMPLE",
            "plant7.example:443",
            "user@plant7.example",
            "plant7.example/device/cam-1#",
            "plant7.example/device/../",
            "evil.example/plant7.example",
            "",
        ],
    )
    def test_trust_domain_that_resembles_ours(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path, trust_domain: str
    ) -> None:
        attack(broker, forger.leaf(uri("cam-1", trust_domain)), tmp_path, Reason.IDENTITY_INVALID)

    @pytest.mark.parametrize(
        "name",
        [
            f"SPIFFE://{TRUST_DOMAIN}/device/cam-1",
            f"spiffe:/{TRUST_DOMAIN}/device/cam-1",
            f"spiffe://{TRUST_DOMAIN}/cam-1",
            f"spiffe://{TRUST_DOMAIN}//device/cam-1",
            f"spiffe://{TRUST_DOMAIN}/Device/cam-1",
            f" spiffe://{TRUST_DOMAIN}/device/cam-1",
            f"https://{TRUST_DOMAIN}/device/cam-1",
            "cam-1",
        ],
    )
    def test_uri_that_resembles_ours(self, broker: RunningBroker, forger: Forger, tmp_path: Path, name: str) -> None:
        attack(broker, forger.leaf((0x86, name.encode())), tmp_path, Reason.IDENTITY_INVALID)

    @pytest.mark.parametrize(
        "device_id",
        [
            "",
            " cam-1",
            "cam-1 ",
            "cam-1\n",
            "cam-1\r\n",
            "\tcam-1",
            "cam-1\0",
            "cam-1\0.evil.example",
            "cam-1\x7f",
            "cam-1\x1b[2J",
            "cam‐1",  # U+2010, a hyphen that is not ASCII's
            "саm-1",  # Cyrillic
            "cam-１",  # full width
            "cam-1\u200b",
            "cam-1\u202e",
            "cam\u0301-1",
            b"cam-1\xff",
            b"c\xc0\xa1m-1",
            "cam%2d1",
            "cam-1%00",
            "cameras%2fcam-1",
            "cameras/cam-1",
            "cam-1/",
            "cam-1/x",
            "../cam-1",
            "cam-1?x",
            "cam-1#x",
            "+",
            "#",
            "cam-+",
            "cam-*",
            "*",
            "$SYS",
            "${device}",
            "-cam-1",
            ".",
            "c" * 65,
            "c" * 4000,
        ],
        ids=ascii,
    )
    def test_id_that_is_no_device_id(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path, device_id: str | bytes
    ) -> None:
        watch = Watch(broker)
        attack(broker, forger.leaf(uri(device_id)), tmp_path, Reason.IDENTITY_INVALID)
        assert watch.wait_for(Kind.REFUSE, Reason.IDENTITY_INVALID).detail.isprintable()

    def test_common_name_of_the_victim_is_not_its_identity(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path
    ) -> None:
        """The SAN says thermo-1, so thermo-1 it is, and the victim's client id is refused to it."""
        context = forger.leaf(uri("thermo-1"), common_names=["cam-1"]).tls(broker.site, tmp_path)
        watch = Watch(broker)
        with RawClient(context, broker.port) as client:
            assert client.connect("cam-1").code == 2
        watch.wait_for(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")


class TestRevokedAndExpired:
    def test_revoked_before_it_connects(self, broker: RunningBroker) -> None:
        context = broker.site.tls("cam-20")
        broker.site.authority.revoke("cam-20")
        watch = Watch(broker)
        broker.do(broker.plugin.service.refresh_revocations)
        assert_shut_out(context, broker, "cam-20")
        watch.wait_for(Kind.REFUSE, Reason.CERTIFICATE_REVOKED)

    def test_revoked_while_connected_is_cut_its_will_unsent_and_not_let_in_again(self, broker: RunningBroker) -> None:
        """The will would go where the victim's neighbour, which checks that nothing came, is subscribed."""
        context = broker.site.tls("cam-21")
        watch = Watch(broker)
        with RawClient(context, broker.port) as stolen:
            will = Will("cameras/evil", b"gone", retain=True)
            assert stolen.connect("cam-21", clean=False, will=will).code == 0
            broker.site.authority.revoke("cam-21")
            stolen.expect_end()
        watch.wait_for(Kind.CUT, Reason.CERTIFICATE_REVOKED, "cam-21")
        watch.wait_for(Kind.DISCONNECT, Reason.CERTIFICATE_REVOKED, "cam-21")
        assert_shut_out(context, broker, "cam-21")
        watch.wait_for(Kind.REFUSE, Reason.CERTIFICATE_REVOKED)
        assert watch.count(Kind.WILL) == 0

    def test_revoked_before_connect_but_after_the_handshake(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with RawClient(broker.site.tls("cam-22"), broker.port) as stolen:
            broker.site.authority.revoke("cam-22")
            stolen.expect_end()
        assert watch.count(Kind.CONNECT, "cam-22") == 0
        watch.wait_for(Kind.CUT, Reason.CERTIFICATE_REVOKED, "cam-22")

    def test_expired_while_connected_is_cut_and_its_will_unsent(
        self, broker: RunningBroker, forger: Forger, tmp_path: Path
    ) -> None:
        context = forger.leaf(uri("cam-23"), ends=NOW + DAY).tls(broker.site, tmp_path)
        watch = Watch(broker)
        with RawClient(context, broker.port) as old:
            assert old.connect("cam-23", will=Will("cameras/evil", b"gone")).code == 0
            broker.do(lambda: broker.guard.recheck_certificates(NOW + DAY / 2))
            old.ping()
            broker.do(lambda: broker.guard.recheck_certificates(NOW + 2 * DAY))
            old.expect_end()
        watch.wait_for(Kind.CUT, Reason.CERTIFICATE_EXPIRED, "cam-23")
        watch.wait_for(Kind.DISCONNECT, Reason.CERTIFICATE_EXPIRED, "cam-23")
        assert watch.count(Kind.WILL) == 0

    def test_tls_session_of_a_revoked_device_is_resumed(self, broker: RunningBroker) -> None:
        """TLS 1.2 resumes by session id without showing the certificate again: it is judged all the same."""
        context = broker.site.tls("cam-24")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with RawClient(context, broker.port) as first:
            assert first.connect("cam-24").code == 0
            session = first.socket.session
            first.send(Disconnect())  # OpenSSL resumes nothing that broke off
            first.expect_end()
        broker.site.authority.revoke("cam-24")
        watch = Watch(broker)
        broker.do(broker.plugin.service.refresh_revocations)
        with socket.create_connection(("127.0.0.1", broker.port)) as plain:
            again = context.wrap_socket(plain, server_hostname="localhost", session=session)
            assert again.session_reused
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                again.sendall(encode(Connect("cam-24")))
                assert again.recv(100) == b"", "the device was answered"
        watch.wait_for(Kind.REFUSE, Reason.CERTIFICATE_REVOKED)


class TestOldOrNoTls:
    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_tls_1_1(self, broker: RunningBroker) -> None:
        context = broker.site.tls("cam-1")
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        watch = Watch(broker)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            RawClient(context, broker.port)
        watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR)

    def test_cipher_without_forward_secrecy(self, broker: RunningBroker) -> None:
        context = broker.site.tls("cam-1")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA")
        watch = Watch(broker)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            RawClient(context, broker.port)
        watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR)

    def test_plain_mqtt(self, broker: RunningBroker) -> None:
        watch = Watch(broker)
        with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as plain:
            plain.sendall(encode(Connect("cam-1")))
            assert not plain.recv(100).startswith(b"\x20"), "CONNACK in the clear"
        watch.wait_for(Kind.REFUSE, Reason.PROTOCOL_ERROR)
        assert watch.count(Kind.CONNECT) == 0


def test_forged_key_is_really_another_one(broker: RunningBroker, forger: Forger, tmp_path: Path) -> None:
    """What the other tests rely on: a certificate of the forger's that is in order is let in."""
    leaf = forger.leaf(uri("cam-30"))
    assert key_pem(leaf.key) != key_pem(forger.key)
    with RawClient(leaf.tls(broker.site, tmp_path), broker.port) as client:
        assert client.connect("cam-30").code == 0
