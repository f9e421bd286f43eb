"""The thresholds of every rule, with the defaults that docs/how-to/detect.md reports figures for. Times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a rule is watched, and for how long the device is put out on its own: None: it is only told."""

    enabled: bool = True
    quarantine: float | None = None


@dataclass(frozen=True, slots=True)
class DenialBurst(Answer):
    """So many denials ``within`` seconds; fewer at a time leak away at that rate."""

    denials: int = 100
    within: float = 60.0


@dataclass(frozen=True, slots=True)
class TopicScan(Answer):
    """So many different shapes of denied topics, the first of them ``within`` seconds ago."""

    topics: int = 20
    within: float = DAY


@dataclass(frozen=True, slots=True)
class NewAddress(Answer):
    """A network of these lengths that the device has not come from before."""

    ipv4_prefix: int = 24
    ipv6_prefix: int = 64


@dataclass(frozen=True, slots=True)
class ClonedIdentity(Answer):
    """So many returns to an address that was left, ``within`` seconds; or two addresses at once."""

    returns: int = 3
    within: float = 3600.0


@dataclass(frozen=True, slots=True)
class Unusual(Answer):
    """More in five minutes than ``deviations`` above the device's median; less than ``at_least`` is never unusual."""

    deviations: float = 10.0
    at_least: int = 300


@dataclass(frozen=True, slots=True)
class GoneSilent(Answer):
    """``times`` as long without a message as nearly all of the device's pauses, but ``at_least`` so long."""

    times: float = 3.0
    at_least: float = 1800.0


@dataclass(frozen=True, slots=True)
class CertificateExpiring(Answer):
    """A certificate that ends within so many seconds."""

    before: float = 14 * DAY


@dataclass(frozen=True, slots=True)
class Settings:
    """What is watched. ``learn``: how long a device must be known before anything is unusual for it. ``pause``: the
    same of the same device is not told again for so long. At most ``quarantine_at_most`` devices an hour are put out;
    those that match a glob of ``never_quarantine`` are not."""

    denial_burst: DenialBurst = field(default_factory=DenialBurst)
    topic_scan: TopicScan = field(default_factory=TopicScan)
    new_address: NewAddress = field(default_factory=NewAddress)
    cloned_identity: ClonedIdentity = field(default_factory=ClonedIdentity)
    unusual_rate: Unusual = field(default_factory=Unusual)
    unusual_payload: Unusual = field(default_factory=lambda: Unusual(at_least=256 << 10))
    gone_silent: GoneSilent = field(default_factory=GoneSilent)
    certificate_expiring: CertificateExpiring = field(default_factory=CertificateExpiring)
    learn: float = DAY
    pause: float = 3600.0
    quarantine_at_most: int = 5
    never_quarantine: Sequence[str] = ()
