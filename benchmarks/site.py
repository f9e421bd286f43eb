"""A site to measure on: an authority, certificates, and one policy written for each broker in its own language.

The same rights for everyone: a comparison between brokers that enforce different things would mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.plan import Seat
from mqttseg.errors import Source
from mqttseg.pki.authority import Authority
from mqttseg.pki.enrollment import Enrollment
from mqttseg.pki.keys import KeyType

TRUST_DOMAIN = "bench.example"
CONNECTIONS_PER_DEVICE = 10


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
class Site:
    """A directory as `mqttseg init` lays it out. Certificates of all devices are made at once."""

    root: Path
    segmentation: Segmentation
    authority: Authority = field(init=False)

    def __post_init__(self) -> None:
        (self.root / "configs").mkdir(parents=True, exist_ok=True)
        authority = Authority.create(self.root / "certs", trust_domain=TRUST_DOMAIN)
        authority.issue_broker(["localhost", "127.0.0.1"])
        object.__setattr__(self, "authority", authority)
        self._enroll(self.segmentation.rights)
        self.config.write_text(yaml.safe_dump({"listen": ["mqtts://127.0.0.1:0"]}))
        self.policy.write_text(yaml.safe_dump(_policy(self.segmentation), sort_keys=False))

    def _enroll(self, devices: Iterable[str]) -> None:
        here = Source(__file__, 1, 1)
        for _ in self.authority.enroll(Enrollment(device, 1, KeyType.P256, here) for device in devices):
            pass

    @property
    def config(self) -> Path:
        """mqttseg.yaml."""
        return self.root / "configs" / "mqttseg.yaml"

    @property
    def policy(self) -> Path:
        """policy.yaml."""
        return self.root / "configs" / "policy.yaml"

    @property
    def ca(self) -> Path:
        """The trust bundle."""
        return self.root / "certs" / "ca.crt"

    @property
    def broker_certificate(self) -> Path:
        """The broker's certificate and chain; its key lies beside it."""
        return self.root / "certs" / "broker.crt"

    def seat(self, device: str, session: str = "") -> Seat:
        """A connection of a device; ``session`` names one of several."""
        certificate = self.root / "certs" / "devices" / f"{device}.crt"
        client_id = f"{device}/{session}" if session else device
        return Seat(device, client_id, str(certificate), str(certificate.with_suffix(".key")))


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
