"""A simulated site: devices, what happens to them in some days, and the attacks on them, from one seed.

Owns what is realistic: jitter, day and night, weekends, motion, firmware, DHCP, a power cut with its
reconnect storm and backlogs, maintenance, devices that are set up wrongly. Refuses to know the detector.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.flows import Direction, Traffic

STEP = 60.0
"""Seconds between two harvests: the broker's are shorter."""

HOUR, DAY = 3600.0, 86400.0
MONDAY = 20_423 * DAY
"""2025-12-01, midnight UTC."""

LEARNING = 2
"""Days before the first attack."""


@dataclass(frozen=True, slots=True)
class Attack:
    """The truth: what was done to or with which device, and the rule that is there to find it."""

    name: str
    rule: Reason
    device: str
    begin: float
    end: float


@dataclass(slots=True)
class Device:
    """One device: how it behaves, and when it does not."""

    id: str
    by_day: float
    by_night: float
    payload: int
    irregular: bool = False
    off_weekends: bool = False
    address: str = ""
    off: list[tuple[float, float]] = field(default_factory=list)
    extra: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Begin, end, messages a second more, bytes of each."""
    due: float = 0.0

    def is_off(self, now: float) -> bool:
        """Whether it has no power."""
        weekend = self.off_weekends and (now // DAY + 3) % 7 >= 5
        return weekend or any(begin <= now < end for begin, end in self.off)


@dataclass(frozen=True, slots=True)
class Step:
    """What the broker saw since the one before."""

    now: float
    events: list[Event]
    traffic: list[Traffic]


class Fleet:
    """Some devices over some days. Everything is settled when it is made; ``steps`` plays it."""

    def __init__(self, seed: int, devices: int = 200, days: int = 9, each: int = 8) -> None:
        self.chance = random.Random(seed)
        self.begin, self.days = MONDAY, days
        self.end = self.begin + days * DAY
        self.devices = [self._device(number) for number in range(devices)]
        self.attacks: list[Attack] = []
        self._later: list[tuple[float, int, Event]] = []
        self._quiet_life()
        self._attack_all(each)
        self._later.sort(key=lambda item: item[:2])

    # Who they are

    def _device(self, number: int) -> Device:
        chance, kind = self.chance, self.chance.random()
        name = f"d-{number}"
        if kind < 0.6:
            every = chance.choice((10.0, 30.0, 60.0, 300.0))
            made = Device(name, every, every, chance.randrange(40, 200))
        elif kind < 0.8:
            made = Device(name, 30.0, 300.0, chance.randrange(60, 400), off_weekends=chance.random() < 0.5)
        elif kind < 0.95:
            made = Device(name, 180.0, 1800.0, chance.randrange(40, 120), irregular=True)
        else:
            made = Device(name, 60.0, 60.0, chance.randrange(20_000, 60_000))
        made.address = f"10.0.{number % 4}.{10 + number // 4}"
        made.due = self.begin + chance.random() * made.by_day
        return made

    # What happens without any attack

    def _quiet_life(self) -> None:
        for device in self.devices:
            self._connect(device, self.begin + self.chance.random() * 60)
        for day in range(self.days):
            self._ordinary_day(self.begin + day * DAY)
        self._firmware(self.begin + 2 * DAY + 2 * HOUR)
        self._power_cut(self.begin + 3 * DAY + 14 * HOUR)
        self._set_up_wrongly()
        for device in self._some(len(self.devices) // 40):  # roams between two access points for an hour
            at = self._moment()
            for turn in range(8):
                self._move(device, at + turn * 450, f"10.0.3.{201 + turn % 2}")
        for device in self._some(len(self.devices) // 70):  # moved to another building
            self._move(device, self._moment(), "10.0.9.9")

    def _ordinary_day(self, midnight: float) -> None:
        for device in self._some(len(self.devices) // 20):  # DHCP
            self._move(device, midnight + self.chance.random() * DAY, f"{self._subnet(device)}.{self._host()}")
        for device in self._some(len(self.devices) // 50):  # maintenance
            at = midnight + self.chance.uniform(9, 16) * HOUR
            self._switch_off(device, at, self.chance.uniform(0.2, 3) * HOUR)
        for device in self.devices:
            if device.payload > 10_000:  # motion
                for _ in range(4):
                    at = midnight + self.chance.uniform(7, 20) * HOUR
                    device.extra.append((at, at + 600, 4 / device.by_day, device.payload))

    def _firmware(self, at: float) -> None:
        for device in self._some(len(self.devices) // 6):
            begin = at + self.chance.random() * HOUR
            self._switch_off(device, begin, 90.0)
            device.extra.append((begin + 120, begin + 420, 0.3, 300.0))
            device.extra.append((begin + 420, begin + 450, 0.1, self.chance.uniform(5_000, 30_000)))

    def _power_cut(self, at: float) -> None:
        for device in self._some(len(self.devices) * 6 // 10):
            back = self._switch_off(device, at + self.chance.random(), 40 * 60.0)
            for _ in range(self.chance.randrange(3)):
                self._connect(device, back + self.chance.random() * 60)
            if self.chance.random() < 0.3:
                self._move(device, back + 61, f"{self._subnet(device)}.{self._host()}")
            if self.chance.random() < 0.1:  # stores and forwards
                device.extra.append((back + 60, back + 120, 40 / device.by_day, device.payload))

    def _set_up_wrongly(self) -> None:
        for device in self._some(len(self.devices) // 50):  # one topic of its own is not granted
            at, until = self._moment(), self.end
            while at < until:
                self._deny(device, at, f"site/{device.id}/extra")
                at += 300
        for device in self._some(len(self.devices) // 50):  # a tool that looks around
            at = self._moment()
            for number in range(8):
                self._deny(device, at + number, f"site/tool{number}/status")
        for device in self._some(len(self.devices) // 50):  # tries again and again, at once
            at = self._moment()
            self._deny(device, at, "site/all/state", 40)

    # Attacks

    def _attack_all(self, each: int) -> None:
        kinds: tuple[Callable[[Device, float], tuple[str, Reason, float]], ...] = (
            self._burst,
            self._scan,
            self._slow_scan,
            self._clone,
            self._steal,
            self._rate,
            self._payload,
            self._silence,
        )
        victims = iter(self._some(each * len(kinds)))
        for attack in kinds:
            for _ in range(each):
                device, begin = next(victims), self._moment(margin=1.5)
                while device.is_off(begin):
                    begin = self._moment(margin=1.5)
                name, rule, seconds = attack(device, begin)
                self.attacks.append(Attack(name, rule, device.id, begin, begin + seconds))

    def _burst(self, device: Device, at: float) -> tuple[str, Reason, float]:
        rate = self.chance.choice((3, 10, 100))
        for second in range(120):
            self._deny(device, at + second, "hvac/all/cmd", rate)
        return "burst of denials", Reason.DENIAL_BURST, 120.0

    def _scan(self, device: Device, at: float) -> tuple[str, Reason, float]:
        many = self.chance.randrange(25, 300)
        for number in range(many):
            self._deny(device, at + number / 2, f"{self.chance.choice('abcdef')}/node-{number}x/set")
        return "scan", Reason.TOPIC_SCAN, many / 2

    def _slow_scan(self, device: Device, at: float) -> tuple[str, Reason, float]:
        pause = self.chance.uniform(300, 5400)
        for number in range(30):
            self._deny(device, at + number * pause, f"area/node-{number}x/set")
        return "slow scan", Reason.TOPIC_SCAN, 30 * pause

    def _clone(self, device: Device, at: float) -> tuple[str, Reason, float]:
        foreign = self.chance.choice(("10.0.0.250", "10.66.0.7"))
        if self.chance.random() < 0.5:  # a session of its own, beside the device's
            self._come(device, at, foreign, "/2")
            self._tell(at + HOUR, Event(Kind.DISCONNECT, Reason.OK), device, foreign, "/2")
            return "clone", Reason.CLONED_IDENTITY, HOUR
        for turn in range(10):  # the same session: they take it from each other
            self._come(device, at + 30 * turn, (foreign, device.address)[turn % 2])
        return "clone", Reason.CLONED_IDENTITY, 300.0

    def _steal(self, device: Device, at: float) -> tuple[str, Reason, float]:
        near = self.chance.random() < 0.3
        foreign = f"{self._subnet(device)}.251" if near else f"10.77.{self.chance.randrange(250)}.5"
        device.off.append((at, at + 2 * HOUR))
        self._gone(device, at)
        self._come(device, at + 600, foreign)
        self._tell(at + HOUR, Event(Kind.DISCONNECT, Reason.OK), device, foreign)
        self._connect(device, at + 2 * HOUR)
        return f"stolen identity, {'same' if near else 'other'} network", Reason.NEW_ADDRESS, 2 * HOUR

    def _rate(self, device: Device, at: float) -> tuple[str, Reason, float]:
        rate = 2 ** self.chance.uniform(0.5, 6)
        device.extra.append((at, at + 1800, rate, 60.0))
        return "exfiltration in many messages", Reason.UNUSUAL_RATE, 1800.0

    def _payload(self, device: Device, at: float) -> tuple[str, Reason, float]:
        size = 2 ** self.chance.uniform(12, 16)
        device.extra.append((at, at + 1800, 0.3, size))
        return "exfiltration in large messages", Reason.UNUSUAL_PAYLOAD, 1800.0

    def _silence(self, device: Device, at: float) -> tuple[str, Reason, float]:
        self._switch_off(device, at, 12 * HOUR)
        return "silence", Reason.GONE_SILENT, 12 * HOUR

    # Small parts

    def _some(self, count: int) -> list[Device]:
        return self.chance.sample(self.devices, count)

    def _moment(self, margin: float = 0.2) -> float:
        return self.chance.uniform(self.begin + LEARNING * DAY, self.end - margin * DAY)

    def _host(self) -> int:
        return self.chance.randrange(10, 240)

    def _subnet(self, device: Device) -> str:
        return device.address.rpartition(".")[0]

    def _tell(self, at: float, event: Event, device: Device, host: str, session: str = "") -> None:
        told = Event(
            event.kind,
            event.reason,
            device=device.id,
            segment="site",
            client_id=device.id + session,
            address=f"{host}:40000",
            action=event.action,
            topic=event.topic,
            count=event.count,
        )
        self._later.append((at, len(self._later), told))

    def _come(self, device: Device, at: float, host: str, session: str = "") -> None:
        self._tell(at, Event(Kind.CONNECT, Reason.OK), device, host, session)

    def _connect(self, device: Device, at: float) -> None:
        self._come(device, at, device.address)

    def _gone(self, device: Device, at: float) -> None:
        self._tell(at, Event(Kind.DISCONNECT, Reason.OK), device, device.address)

    def _move(self, device: Device, at: float, host: str) -> None:
        """Another address, and then that one for good: as DHCP does."""
        self._tell(at - 5, Event(Kind.DISCONNECT, Reason.OK), device, device.address)
        device.address = host
        self._come(device, at, host)

    def _switch_off(self, device: Device, at: float, seconds: float) -> float:
        device.off.append((at, at + seconds))
        self._gone(device, at + 90)  # keep-alive
        back = at + seconds + self.chance.random() * 20
        self._connect(device, max(back, at + 91))
        return back

    def _deny(self, device: Device, at: float, topic: str, count: int = 1) -> None:
        denied = Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, action="publish", topic=topic, count=count)
        self._tell(at, denied, device, device.address)

    def of(self, name: str) -> Device:
        """The device of this id."""
        return self.devices[int(name.removeprefix("d-"))]

    # Playing it

    def steps(self) -> Iterator[Step]:
        """Everything, in order of time."""
        now, told = self.begin, 0
        while now < self.end:
            now += STEP
            events = []
            while told < len(self._later) and self._later[told][0] < now:
                events.append(self._later[told][2])
                told += 1
            yield Step(now, events, [sent for device in self.devices for sent in self._sent(device, now)])

    def _sent(self, device: Device, now: float) -> Iterator[Traffic]:
        count = 0
        while device.due < now:
            count += 1
            day = 7 <= device.due % DAY / HOUR < 19
            pause = device.by_day if day else device.by_night
            chance = self.chance
            device.due += chance.expovariate(1 / pause) if device.irregular else pause * chance.uniform(0.95, 1.05)
        if device.is_off(now):
            return
        size = count * device.payload
        for begin, end, rate, payload in device.extra:
            if begin <= now < end:
                more = self._whole(rate * STEP)
                count, size = count + more, size + round(more * payload)
        if count:
            yield Traffic(device.id, "site", Direction.PUBLISH, f"site/{device.id}/state", count, size)

    def _whole(self, amount: float) -> int:
        return int(amount) + (self.chance.random() < amount % 1)
