"""The handshake lets in who chains to our bundle, and its failures say why. Real TLS over a socket pair."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mqttseg.errors import ConfigurationError, Reason
from mqttseg.pki.authority import Authority
from mqttseg.pki.identity import IdentitySource, identify
from mqttseg.pki.keys import KeyType, load_authority_key
from mqttseg.pki.revocation import Revocations
from mqttseg.pki.trust import handshake_reason, server_context
from tests.pki.forging import CLIENT, DOMAIN, SERVER, Forger, uri, write_key

# OpenSSL looks at the real clock, so that here everything is dated around it.
TODAY = datetime.now(UTC).replace(microsecond=0)
GOOD = [uri(f"spiffe://{DOMAIN}/device/thermo-1")]


@dataclass(frozen=True)
class Site:
    authority: Authority
    context: ssl.SSLContext
    directory: Path

    def client(self, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.certs / "ca.crt")
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        return context

    def forged(
        self, forger: Forger, usages: tuple[x509.ObjectIdentifier, ...] = CLIENT, days: tuple[int, int] = (-9, 9)
    ) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        begins, ends = (TODAY + timedelta(days=count) for count in days)
        leaf = forger.leaf(GOOD, usages=usages, key=key, begins=begins, ends=ends)
        chain = leaf.public_bytes(Encoding.PEM) + forger.pem
        (self.directory / "forged.crt").write_bytes(chain)
        return self.client(self.directory / "forged.crt", write_key(self.directory / "forged.key", key))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    directory = tmp_path_factory.mktemp("site")
    authority = Authority.create(directory / "certs", trust_domain=DOMAIN)
    authority.issue_broker(["localhost", "127.0.0.1"])
    certs = authority.certs
    return Site(authority, server_context(certs / "ca.crt", certs / "broker.crt", certs / "broker.key"), directory)


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLSocket, ssl.SSLSession | None]:
    """The server's end after the handshake, with one byte exchanged; raises what the server's handshake raises."""
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)

    def connect() -> ssl.SSLSession | None:
        with suppress(OSError), client.wrap_socket(far, server_hostname="localhost", session=session) as end:
            end.sendall(b"x")
            end.recv(1)
            return end.session
        return None

    with ThreadPoolExecutor(1) as pool:
        peer = pool.submit(connect)
        try:
            end = server.wrap_socket(near, server_side=True)
            assert end.recv(1) == b"x"
            end.sendall(b"y")
        except ssl.SSLError:
            near.close()
            raise
        return end, peer.result()


def refusal(site: Site, client: ssl.SSLContext) -> tuple[Reason, str]:
    with pytest.raises(ssl.SSLError) as failed:
        shake(site.context, client)
    return handshake_reason(failed.value)


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_device_of_ours_gets_in_and_is_identified(site: Site, key_type: KeyType, version: ssl.TLSVersion) -> None:
    issued = site.authority.issue(f"{key_type}-{version}", key_type=key_type)
    client = site.client(issued.certificate_file, issued.key_file)
    client.minimum_version = client.maximum_version = version
    end, _ = shake(site.context, client)
    with end:
        identity = identify(
            end.getpeercert(binary_form=True),
            source=IdentitySource.SAN_URI,
            trust_domain=DOMAIN,
            now=datetime.now(UTC),
            revoked=Revocations.none(),
        )
        assert (identity.device_id, end.version()) == (f"{key_type}-{version}", version.name.replace("_", "."))


def test_without_a_certificate_nobody_gets_in(site: Site) -> None:
    assert refusal(site, site.client())[0] is Reason.CERTIFICATE_MISSING


def test_a_self_signed_certificate_does_not_get_in(site: Site) -> None:
    own = Forger.new(now=TODAY)
    (site.directory / "self.crt").write_bytes(own.pem)
    client = site.client(site.directory / "self.crt", write_key(site.directory / "self.key", own.key))
    assert refusal(site, client) == (Reason.CERTIFICATE_UNTRUSTED, "self-signed")


def test_another_authority_with_our_names_does_not_get_anybody_in(site: Site) -> None:
    impostor = Forger.named(site.authority.certificates[1].subject, now=TODAY)
    assert refusal(site, site.forged(impostor))[0] is Reason.CERTIFICATE_UNTRUSTED


def ours(site: Site) -> Forger:
    """Our own issuing authority, in hands that issue what it never would."""
    key = load_authority_key((site.authority.certs / "ca" / "issuing.key").read_bytes(), None)
    return Forger(site.authority.certificates[1], key)


@pytest.mark.parametrize(
    ("usages", "days", "reason", "detail"),
    [
        (CLIENT, (-9, -1), Reason.CERTIFICATE_EXPIRED, "expired"),
        (CLIENT, (1, 9), Reason.CERTIFICATE_EXPIRED, "not yet valid"),
        (SERVER, (-9, 9), Reason.IDENTITY_INVALID, "clientAuth"),
    ],
)
def test_out_of_date_or_made_for_servers_does_not_get_in(
    site: Site, usages: tuple[x509.ObjectIdentifier, ...], days: tuple[int, int], reason: Reason, detail: str
) -> None:
    got, why = refusal(site, site.forged(ours(site), usages, days))
    assert (got, detail in why) == (reason, True)


def test_the_brokers_own_certificate_does_not_get_in(site: Site) -> None:
    client = site.client(site.authority.certs / "broker.crt", site.authority.certs / "broker.key")
    assert refusal(site, client)[0] is Reason.IDENTITY_INVALID


def test_tls_1_1_does_not_get_in(site: Site) -> None:
    issued = site.authority.issue("old-1")
    client = site.client(issued.certificate_file, issued.key_file)
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    assert refusal(site, client)[0] is Reason.PROTOCOL_ERROR


def test_what_is_not_tls_is_a_protocol_error(site: Site) -> None:
    near, far = socket.socketpair()
    with far:
        far.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00" * 9)
        with pytest.raises(ssl.SSLError) as failed:
            site.context.wrap_socket(near, server_side=True)
    assert handshake_reason(failed.value)[0] is Reason.PROTOCOL_ERROR


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_there_are_no_tickets_and_a_session_always_carries_its_certificate(site: Site, version: ssl.TLSVersion) -> None:
    issued = site.authority.issue(f"again-{version}")
    client = site.client(issued.certificate_file, issued.key_file)
    client.minimum_version = client.maximum_version = version
    first, session = shake(site.context, client)
    first.close()
    assert session is not None
    assert not session.has_ticket
    second, _ = shake(site.context, client, session)
    with second:
        assert second.getpeercert(binary_form=True)
        assert not (second.session_reused and version is ssl.TLSVersion.TLSv1_3)


def test_ciphers_are_forward_secret_and_authenticated(site: Site) -> None:
    old = [item for item in site.context.get_ciphers() if item["protocol"] != "TLSv1.3"]
    assert old
    assert all(item["name"].startswith("ECDHE-") and item["aead"] for item in old)
    assert old[0]["name"].startswith("ECDHE-ECDSA-")


def test_no_system_authority_is_trusted(site: Site) -> None:
    assert site.context.cert_store_stats()["x509_ca"] == 2


def context_of(site: Site, **instead: Path) -> ssl.SSLContext:
    certs = site.authority.certs
    paths = {"ca": certs / "ca.crt", "cert": certs / "broker.crt", "key": certs / "broker.key"} | instead
    return server_context(paths["ca"], paths["cert"], paths["key"])


@pytest.mark.parametrize("which", ["ca", "cert", "key"])
@pytest.mark.parametrize("content", [None, b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nMIIB\n"])
def test_a_file_that_cannot_be_used_is_named(site: Site, tmp_path: Path, which: str, content: bytes | None) -> None:
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"bad\.pem"):
        context_of(site, **{which: path})


def test_a_key_that_does_not_fit_is_named(site: Site) -> None:
    other = site.authority.issue("other-1")
    assert other.key_file is not None
    with pytest.raises(ConfigurationError, match="is not the key of"):
        context_of(site, key=other.key_file)


def test_a_sealed_key_is_refused_without_asking_the_terminal(site: Site, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "sealed.key").write_bytes(sealed)
    with pytest.raises(ConfigurationError, match="without a passphrase"):
        context_of(site, key=tmp_path / "sealed.key")


def test_a_bundle_that_trusts_a_device_or_is_cut_short_is_refused(site: Site, tmp_path: Path) -> None:
    issued = site.authority.issue("leaf-1")
    with pytest.raises(ConfigurationError, match="no authority"):
        context_of(site, ca=issued.certificate_file)
    whole = (site.authority.certs / "ca.crt").read_bytes()
    (tmp_path / "cut.crt").write_bytes(whole[:-40])
    with pytest.raises(ConfigurationError, match="cut short"):
        context_of(site, ca=tmp_path / "cut.crt")
