"""A site to measure on: an authority, certificates, and one policy written for each broker in its own language.

The same rights for everyone: a comparison between brokers that enforce different things would mean nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.load.plan import Seat
from mqttseg.errors import Source
from mqttseg.pki.authority import Authority
from mqttseg.pki.enrollment import Enrollment
from mqttseg.pki.keys import KeyType

TRUST_DOMAIN = "bench.example"
CONNECTIONS_PER_DEVICE = 10

QUEUE = 1_000_000
"""Messages that may wait for a session, with every broker: what is measured must not be thrown away."""

WORK = Path(__file__).parent / "work"
"""What is kept between runs: certificates for some hours, and the library that is not Python's."""

KEPT = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Right:
    """What one device may do, beside nothing."""

    publish: Sequence[str] = ()
    subscribe: Sequence[str] = ()

    def bound(self, device: str) -> Right:
        """With the device's id in place of ``${device}``."""
        publish, subscribe = ([text.replace("${device}", device) for text in s] for s in (self.publish, self.subscribe))
        return Right(publish, subscribe)


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Each segment's devices and their rights; a segment's name is its namespace."""

    segments: Mapping[str, Mapping[str, Right]]

    @property
    def rights(self) -> dict[str, Right]:
        """Of every device, ``${device}`` filled in, for brokers that have no such thing."""
        rights = (item for devices in self.segments.values() for item in devices.items())
        return {device: right.bound(device) for device, right in rights}


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority of ours, the broker's certificate, and one for each device; kept for a few hours."""

    directory: Path

    @classmethod
    def of(cls, directory: Path, devices: Iterable[str]) -> Certificates:
        """Those there, if they are fresh and cover the devices; else new ones."""
        wanted, done = "\n".join(devices), directory / "devices.txt"
        if not done.exists() or time.time() - done.stat().st_mtime > KEPT or done.read_text() != wanted:
            shutil.rmtree(directory, ignore_errors=True)
            authority = Authority.create(directory, trust_domain=TRUST_DOMAIN)
            authority.issue_broker(["localhost", "127.0.0.1"])
            here = Source(__file__, 1, 1)
            for _ in authority.enroll(Enrollment(name, 2, KeyType.P256, here) for name in wanted.split("\n")):
                pass
            done.write_text(wanted)
        return cls(directory)

    def seat(self, device: str, session: str = "", *, clean: bool = True) -> Seat:
        """A connection of a device; ``session`` names one of several."""
        certificate = self.directory / "devices" / f"{device}.crt"
        client_id = f"{device}/{session}" if session else device
        return Seat(device, client_id, str(certificate), str(certificate.with_suffix(".key")), clean)


@dataclass(frozen=True, slots=True)
class Site:
    """A directory in which brokers find the policy and keep what they write."""

    root: Path
    segmentation: Segmentation
    certificates: Certificates

    def __post_init__(self) -> None:
        (self.root / "configs").mkdir(parents=True, exist_ok=True)
        policy = yaml.dump(_policy(self.segmentation), sort_keys=False, Dumper=_Plain)
        (self.root / "configs" / "policy.yaml").write_text(policy)

    @property
    def certs(self) -> Path:
        """The directory of certificates, as `mqttseg init` lays it out."""
        return self.certificates.directory

    @property
    def ca(self) -> Path:
        """The trust bundle."""
        return self.certs / "ca.crt"

    @property
    def broker_certificate(self) -> Path:
        """The broker's certificate and chain."""
        return self.certs / "broker.crt"

    @property
    def broker_key(self) -> Path:
        """Its key."""
        return self.certs / "broker.key"

    def seat(self, device: str, session: str = "", *, clean: bool = True) -> Seat:
        """A connection of a device."""
        return self.certificates.seat(device, session, clean=clean)


class _Plain(yaml.SafeDumper):
    """Writes a list out each time it is used: no anchors, which a policy may not have."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def _policy(segmentation: Segmentation) -> dict[str, object]:
    segments = {name: {"roles": _roles(devices)} for name, devices in segmentation.segments.items()}
    return {"version": 1, "trust_domain": TRUST_DOMAIN, "segments": segments}


def _roles(devices: Mapping[str, Right]) -> dict[str, object]:
    """A role for each set of rights, so that the policy says exactly what the other brokers' lists say."""
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for device, right in devices.items():
        alike.setdefault((tuple(right.publish), tuple(right.subscribe)), []).append(device)
    return {
        f"r{index}": {"members": members, "publish": list(publish), "subscribe": list(subscribe)}
        for index, ((publish, subscribe), members) in enumerate(alike.items())
    }
