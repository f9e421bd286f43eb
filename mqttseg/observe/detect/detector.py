"""All rules together: events, traffic and the time go in, detections come out.

Owns what is known of each device, that it is bounded, and that one thing is told once. Pure: one thread at a time.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from mqttseg.errors import Reason
from mqttseg.observe.detect.addresses import Addresses, host_of
from mqttseg.observe.detect.amounts import Amount, Amounts
from mqttseg.observe.detect.denials import Denials
from mqttseg.observe.detect.settings import Answer, Settings
from mqttseg.observe.detect.silence import HOUR, Presence, clock
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic

DEVICES = 20_000
"""Devices that are watched; beyond them the one not heard of for longest is forgotten."""

LATE = 60.0
"""Seconds between two harvests after which amounts cannot be told: more than one window's may have come at once."""

TOGETHER = 600.0
"""Seconds: devices that were last heard of so close to each other went silent together."""

_MANY, _SHARE = 5, 0.1
"""So many devices, and this share of all, silent together are the site's silence, not each device's."""

_NOT_ITS_DOING = frozenset({"receive"})
_OTHERS_BUSINESS = frozenset(
    {
        Reason.CERTIFICATE_EXPIRED,
        Reason.CERTIFICATE_REVOKED,
        Reason.CERTIFICATE_UNTRUSTED,
        Reason.IDENTITY_INVALID,
        Reason.QUARANTINED,
    }
)
"""Why a connection is refused that is no attempt at anything: the device does not know yet that it is out."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A rule found something. ``device`` None: it is the site's. ``detail``: what, for people."""

    rule: Reason
    device: str | None
    at: float
    detail: str
    segment: str | None = None
    address: str | None = None


class Known:
    """What is known of one device."""

    __slots__ = ("addresses", "amounts", "denials", "presence", "segment", "since", "told")

    def __init__(self, since: float) -> None:
        self.since = since
        self.segment: str | None = None
        self.denials = Denials()
        self.addresses = Addresses()
        self.amounts = Amounts()
        self.presence = Presence()
        self.told: dict[Reason, float] = {}


class Detector:
    """Watches all devices. ``changed``: whose baseline is to be written down again."""

    def __init__(self, settings: Settings, known: dict[str, Known] | None = None) -> None:
        self.settings = settings
        self.known = {} if known is None else known
        self.changed: set[str] = set()
        self._harvested = 0.0
        self._hour = 0.0

    def see(self, event: Event, now: float) -> Iterator[Detection]:
        """An event that happened at ``now``."""
        if event.device is None or event.address is None:
            return
        if event.kind is Kind.CONNECT:
            yield from self._arrived(event, event.device, host_of(event.address), now)
        elif event.kind in {Kind.DISCONNECT, Kind.CUT}:
            known = self.known.get(event.device)
            if known is not None:
                known.addresses.leave(host_of(event.address), event.client_id or "")
        elif event.kind in {Kind.DENY, Kind.REFUSE}:
            yield from self._denied(event, event.device, now)

    def _arrived(self, event: Event, device: str, host: str, now: float) -> Iterator[Detection]:
        known, rules = self._of(device, now), self.settings
        known.segment = event.segment
        if rules.new_address.enabled:
            detail = known.addresses.arrive(rules.new_address, host, now)
            self.changed.add(device)
            if now - known.since >= rules.learn:
                yield from self._tell(Reason.NEW_ADDRESS, device, detail, now, host)
        if rules.cloned_identity.enabled:
            detail = known.addresses.follow(rules.cloned_identity, host, event.client_id or "", now)
            yield from self._tell(Reason.CLONED_IDENTITY, device, detail, now, host)

    def _denied(self, event: Event, device: str, now: float) -> Iterator[Detection]:
        """What observe mode let through is no offence: nobody believes that policy yet."""
        if event.observed or event.action in _NOT_ITS_DOING or event.reason in _OTHERS_BUSINESS:
            return
        known, rules = self._of(device, now), self.settings
        known.segment = event.segment
        if rules.denial_burst.enabled:
            detail = known.denials.burst(rules.denial_burst, event.count, now)
            yield from self._tell(Reason.DENIAL_BURST, device, detail, now, event.address)
        if rules.topic_scan.enabled and event.topic is not None:
            detail = known.denials.scan(rules.topic_scan, event.topic, device, now)
            yield from self._tell(Reason.TOPIC_SCAN, device, detail, now, event.address)

    def hear(self, traffic: Iterable[Traffic], now: float) -> Iterator[Detection]:
        """What passed since this was last called."""
        counted = now - self._harvested <= LATE
        self._harvested = now
        sums: dict[str, tuple[int, int]] = {}
        for item in traffic:
            if item.direction is Direction.PUBLISH:
                count, size = sums.get(item.device, (0, 0))
                sums[item.device] = count + item.count, size + item.bytes
        for device, (count, size) in sums.items():
            known = self._of(device, now)
            known.presence.heard(now)
            if counted:
                yield from self._amounts(device, known, count, size, now)

    def _amounts(self, device: str, known: Known, count: int, size: int, now: float) -> Iterator[Detection]:
        amounts, rules = known.amounts, self.settings
        if amounts.turn(rules.unusual_rate, rules.unusual_payload, device, now):
            self.changed.add(device)
        over = amounts.messages.add(count), amounts.bytes.add(size)
        if any(over) and now - known.since >= rules.learn:
            if over[0] and rules.unusual_rate.enabled:
                yield from self._unusual(Reason.UNUSUAL_RATE, device, amounts.messages, "messages", now)
            if over[1] and rules.unusual_payload.enabled:
                yield from self._unusual(Reason.UNUSUAL_PAYLOAD, device, amounts.bytes, "bytes of payload", now)

    def _unusual(self, rule: Reason, device: str, amount: Amount, unit: str, now: float) -> Iterator[Detection]:
        detail = f"{amount.sum:.0f} {unit} within five minutes; up to {amount.limit:.0f} would be usual for it"
        return self._tell(rule, device, detail, now)

    def pass_time(self, now: float) -> Iterator[Detection]:
        """To be called about once a minute. Silence counts up to the last harvest, for nobody was listening since."""
        rule, heard = self.settings.gone_silent, min(now, self._harvested)
        if not heard:
            return
        hour, quiet = heard // HOUR, heard - rule.at_least
        if hour != self._hour:
            self._hour = hour
            for known in self.known.values():
                known.presence.pass_time(heard)
        if rule.enabled:
            learnt = heard - self.settings.learn
            candidates = (item for item in self.known.items() if item[1].presence.latest < quiet)
            silent = [d for d, known in candidates if known.since <= learnt and known.presence.silence(rule, heard)]
            yield from self._silent(silent, now)

    def _silent(self, devices: list[str], now: float) -> Iterator[Detection]:
        if not devices:
            return
        latest = sorted(known.presence.latest for known in self.known.values())
        together = []
        for device in devices:
            presence = self.known[device].presence
            presence.told = True
            near = bisect_right(latest, presence.latest + TOGETHER) - bisect_left(latest, presence.latest - TOGETHER)
            if near >= max(_MANY, math.ceil(_SHARE * len(latest))):
                together.append(device)
                continue
            detail = f"nothing since {clock(presence.latest)}, longer than it ever pauses at this time of day"
            yield from self._tell(Reason.GONE_SILENT, device, detail, now)
        if together:
            named = ", ".join(together[:5]) + (", ..." if len(together) > 5 else "")
            detail = f"{len(together)} devices went silent together: {named}"
            yield Detection(Reason.GONE_SILENT, None, now, detail)

    def check_certificate(self, device: str, until: datetime, now: float) -> Iterator[Detection]:
        """A connected device's certificate is good until then."""
        rule, left = self.settings.certificate_expiring, until.timestamp() - now
        if rule.enabled and left < rule.before:
            detail = f"its certificate expires at {clock(until.timestamp())}; renew it with `mqttseg device renew`"
            pause = max(self.settings.pause, 86400.0)
            yield from self._tell(Reason.CERTIFICATE_EXPIRING, device, detail, now, pause=pause)

    def rule(self, reason: Reason) -> Answer:
        """The settings of a rule."""
        answer: Answer = getattr(self.settings, reason.replace("-", "_"))
        return answer

    def _tell(
        self,
        rule: Reason,
        device: str,
        detail: str | None,
        now: float,
        address: str | None = None,
        *,
        pause: float | None = None,
    ) -> Iterator[Detection]:
        if detail is None:
            return
        known = self._of(device, now)
        told = known.told.get(rule)
        if told is not None and now - told < (self.settings.pause if pause is None else pause):
            return
        known.told[rule] = now
        yield Detection(rule, device, now, detail, known.segment, address)

    def _of(self, device: str, now: float) -> Known:
        known = self.known.pop(device, None)
        if known is None:
            known = Known(now)
            if len(self.known) >= DEVICES:
                del self.known[next(iter(self.known))]
        self.known[device] = known
        return known
