"""A throw-away site: policy, authority and certificates in a directory."""

from __future__ import annotations

import ssl
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from mqttseg.pki.authority import Authority

TRUST_DOMAIN = "plant7.example"

POLICY = """
version: 1
trust_domain: plant7.example
segments:
  hvac:
    members: ["thermo-*", "ahu-*"]
    publish: ["hvac/${device}/#", "hvac/all/#"]
    subscribe: ["hvac/${device}/cmd/#", "hvac/all/#"]
    roles:
      controller:
        members: ["bms-*"]
        publish: ["hvac/+/cmd/#", "hvac/all/#"]
        subscribe: ["hvac/#"]
  cameras:
    members: ["cam-*"]
  analytics:
    members: ["etl-*"]
  lab:
    members: ["lab-*"]
    subscriptions: narrow
    deny: ["lab/sealed/#"]
conduits:
  telemetry:
    from: hvac
    to: analytics
    topics: ["hvac/+/telemetry/#"]
"""


@dataclass
class TestSite:
    """A directory with everything `mqttseg run` needs. Devices are issued when they are first asked for."""

    __test__ = False

    root: Path
    policy: str = POLICY
    settings: str = ""
    authority: Authority = field(init=False)

    def __post_init__(self) -> None:
        (self.root / "configs").mkdir(parents=True, exist_ok=True)
        self.authority = Authority.create(self.root / "certs", trust_domain=TRUST_DOMAIN)
        self.authority.issue_broker(["localhost", "127.0.0.1", "::1"])
        self.write_policy(self.policy)
        self.config.write_text(textwrap.dedent(self.settings) or "listen: ['mqtts://127.0.0.1:0']\n")

    @property
    def config(self) -> Path:
        """mqttseg.yaml."""
        return self.root / "configs" / "mqttseg.yaml"

    @property
    def ca(self) -> Path:
        """The trust bundle."""
        return self.root / "certs" / "ca.crt"

    def write_policy(self, text: str) -> None:
        """Replace policy.yaml."""
        (self.root / "configs" / "policy.yaml").write_text(textwrap.dedent(text))

    def device(self, device_id: str) -> tuple[Path, Path]:
        """Certificate and key files of a device of this site."""
        directory = self.root / "certs" / "devices"
        certificate, key = directory / f"{device_id}.crt", directory / f"{device_id}.key"
        if not certificate.exists():
            self.authority.issue(device_id)
        return certificate, key

    def tls(self, device_id: str | None) -> ssl.SSLContext:
        """The context of a client with this device's certificate, or with none."""
        context = self.tls_without_certificate()
        if device_id is not None:
            context.load_cert_chain(*self.device(device_id))
        return context

    def tls_without_certificate(self) -> ssl.SSLContext:
        """The context of a client that trusts our authority and shows nothing."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.check_hostname = False
        return context
