"""The keys under ``detect`` in mqttseg.yaml, and the settings that they make.

Owns how they are written. Refuses to know the rules (observe.detect), whose defaults these are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from mqttseg.observe.detect.settings import (
    Answer,
    CertificateExpiring,
    ClonedIdentity,
    DenialBurst,
    GoneSilent,
    NewAddress,
    Settings,
    TopicScan,
    Unusual,
)
from mqttseg.policy.fields import Count, Duration, MemberText, Size
from mqttseg.policy.schema import Keys

_AnswerT = TypeVar("_AnswerT", bound=Answer)
_DEFAULT = Settings()

Factor = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Returns = Annotated[int, Field(ge=2, le=16)]


class RuleEntry(Keys):
    """Whether it is watched for."""

    enabled: bool = Field(default=True, description="Whether it is watched for.")


class AnswerEntry(RuleEntry):
    """Whether it is watched for, and what is done."""

    action: Literal["event", "quarantine"] = Field(
        default="event", description="event: tell. quarantine: tell, and put the device out."
    )
    for_: Duration = Field(default=3600.0, alias="for", description="For how long it is put out.")


class DenialBurstEntry(AnswerEntry):
    """Many denials."""

    denials: Count = Field(default=_DEFAULT.denial_burst.denials, description="How many denials.")
    within: Duration = Field(default=_DEFAULT.denial_burst.within, description="In how long.")


class TopicScanEntry(AnswerEntry):
    """Denials of many different topics."""

    topics: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=_DEFAULT.topic_scan.topics, description="How many different shapes of topics."
    )
    within: Duration = Field(default=_DEFAULT.topic_scan.within, description="In how long.")


class NewAddressEntry(AnswerEntry):
    """A device that comes from a network it never came from."""

    ipv4_prefix: Annotated[int, Field(ge=0, le=32)] = Field(
        default=_DEFAULT.new_address.ipv4_prefix, description="Addresses that agree in so many bits are one network."
    )
    ipv6_prefix: Annotated[int, Field(ge=0, le=128)] = Field(
        default=_DEFAULT.new_address.ipv6_prefix, description="The same for IPv6."
    )


class ClonedIdentityEntry(AnswerEntry):
    """One identity in two places."""

    returns: Returns = Field(
        default=_DEFAULT.cloned_identity.returns, description="Returns to an address that it had left."
    )
    within: Duration = Field(default=_DEFAULT.cloned_identity.within, description="In how long.")


class UnusualRateEntry(AnswerEntry):
    """More messages in five minutes than is usual for the device."""

    deviations: Factor = Field(
        default=_DEFAULT.unusual_rate.deviations, description="So far above its median: robust standard deviations."
    )
    at_least: Count = Field(default=_DEFAULT.unusual_rate.at_least, description="Fewer messages are never unusual.")


class UnusualPayloadEntry(AnswerEntry):
    """More bytes of payload in five minutes than is usual for the device."""

    deviations: Factor = Field(
        default=_DEFAULT.unusual_payload.deviations, description="So far above its median: robust standard deviations."
    )
    at_least: Size = Field(default=_DEFAULT.unusual_payload.at_least, description="Fewer bytes are never unusual.")


class GoneSilentEntry(RuleEntry):
    """A device that stopped publishing."""

    times: Factor = Field(default=_DEFAULT.gone_silent.times, description="So many times as long as it pauses.")
    at_least: Duration = Field(default=_DEFAULT.gone_silent.at_least, description="Shorter is never too long.")


class CertificateExpiringEntry(RuleEntry):
    """A connected device whose certificate ends soon."""

    before: Duration = Field(default=_DEFAULT.certificate_expiring.before, description="How long before.")


class DetectEntry(Keys):
    """What is watched for, and what is done about it."""

    denial_burst: DenialBurstEntry = Field(default_factory=DenialBurstEntry, description="Many denials.")
    topic_scan: TopicScanEntry = Field(default_factory=TopicScanEntry, description="Denials of many different topics.")
    new_address: NewAddressEntry = Field(
        default_factory=NewAddressEntry, description="A device that comes from a network it never came from."
    )
    cloned_identity: ClonedIdentityEntry = Field(
        default_factory=ClonedIdentityEntry, description="One identity in two places."
    )
    unusual_rate: UnusualRateEntry = Field(
        default_factory=UnusualRateEntry, description="More messages in five minutes than is usual for the device."
    )
    unusual_payload: UnusualPayloadEntry = Field(
        default_factory=UnusualPayloadEntry, description="More bytes in five minutes than is usual for the device."
    )
    gone_silent: GoneSilentEntry = Field(
        default_factory=GoneSilentEntry, description="A device that stopped publishing."
    )
    certificate_expiring: CertificateExpiringEntry = Field(
        default_factory=CertificateExpiringEntry, description="A connected device whose certificate ends soon."
    )
    learn: Duration = Field(
        default=_DEFAULT.learn, description="How long a device is known before anything is unusual for it."
    )
    pause: Duration = Field(default=_DEFAULT.pause, description="How long the same of one device is not told again.")
    quarantine_at_most: Count = Field(
        default=_DEFAULT.quarantine_at_most, description="Devices put out by detection within an hour, at the most."
    )
    never_quarantine: list[MemberText] = Field(
        default_factory=list, description="Devices that detection never puts out: ids or globs."
    )

    def settings(self) -> Settings:
        """What the rules are given."""
        return Settings(
            denial_burst=_answer(DenialBurst, self.denial_burst),
            topic_scan=_answer(TopicScan, self.topic_scan),
            new_address=_answer(NewAddress, self.new_address),
            cloned_identity=_answer(ClonedIdentity, self.cloned_identity),
            unusual_rate=_answer(Unusual, self.unusual_rate),
            unusual_payload=_answer(Unusual, self.unusual_payload),
            gone_silent=_answer(GoneSilent, self.gone_silent),
            certificate_expiring=_answer(CertificateExpiring, self.certificate_expiring),
            learn=self.learn,
            pause=self.pause,
            quarantine_at_most=self.quarantine_at_most,
            never_quarantine=tuple(self.never_quarantine),
        )


def _answer(kind: type[_AnswerT], entry: RuleEntry) -> _AnswerT:
    values: dict[str, Any] = entry.model_dump(exclude={"action", "for_"})
    seconds = entry.for_ if isinstance(entry, AnswerEntry) and entry.action == "quarantine" else None
    return kind(**values, quarantine=seconds)
