"""The demo's throw-away site: made by ``mqttseg init`` in a temporary directory, gone when the demo is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mqttseg.clients import Credentials
from mqttseg.errors import OperatorError
from mqttseg.pki.authority import Authority
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.load import load_policy

HOST = "127.0.0.1"  # not localhost, which may stand for ::1 where the demo does not listen
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class DemoSite:
    """A site on disk, its authority and its policy."""

    root: Path
    authority: Authority
    compiled: Compiled

    @property
    def config(self) -> Path:
        """mqttseg.yaml."""
        return self.root / "configs" / "mqttseg.yaml"

    def credentials(self, device_id: str, port: int) -> Credentials:
        """What the device connects with; issues its certificate at the first time."""
        directory = self.root / "certs" / "devices"
        certificate = directory / f"{device_id}.crt"
        if not certificate.exists():
            self.authority.issue(device_id)
        key = directory / f"{device_id}.key"
        return Credentials(HOST, port, self.root / "certs" / "ca.crt", certificate, key, device_id)

    def forged(self, device_id: str, port: int) -> Credentials:
        """What an attacker connects with who has an authority of his own, and calls it by the same name."""
        certs = self.root / "forged"
        issued = Authority.create(certs, trust_domain=self.authority.trust_domain).issue(device_id)
        key = issued.key_file or certs
        return Credentials(HOST, port, self.root / "certs" / "ca.crt", issued.certificate_file, key, device_id)

    def command(self, *arguments: str) -> list[str]:
        """A mqttseg command on this site."""
        return [*_mqttseg(), "--config", str(self.config), *arguments]

    def run_command(self, *arguments: str) -> None:
        """Run it. OperatorError with what it said when it fails."""
        _run(self.command(*arguments))


@contextmanager
def throw_away_site() -> Iterator[DemoSite]:
    """A new site in a temporary directory, which is removed at the end."""
    with TemporaryDirectory(prefix="mqttseg-demo-", ignore_cleanup_errors=True) as directory:
        root = Path(directory)
        _run([*_mqttseg(), "init", str(root)])
        policy = load_policy(root / "configs" / "policy.yaml", root / "configs" / "devices.yaml")
        yield DemoSite(root, Authority.open(root / "certs"), compile_policy(policy, datetime.now(UTC)))


def _mqttseg() -> list[str]:
    return [sys.executable, "-m", "mqttseg"]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603  # our own
    if done.returncode != 0:
        raise OperatorError(f"`{' '.join(command[1:])}` failed: {done.stderr.strip()}")
