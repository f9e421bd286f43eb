"""What happens during a soak: steady lines of messages, and everything that changes beside them.

Owns the policy and the scenes. Refuses to know what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import ssl
from dataclasses import dataclass, field
from functools import cache
from random import Random

from mqttseg.wire.packets import Will
from tests.soak.devices import STAMP, Device, Ledger
from tests.support.sites import TRUST_DOMAIN, TestSite

SEGMENTS = ("north", "east", "south", "west")
BATCH = (0, 0, 0, 0, 0, 0, 1, 1, 1, 2)
"""The QoS of the messages of one write."""
TOPIC_LIFE = 1000
"""Messages of a line after which it goes on under another topic."""
QUEUED = 200
"""Messages that wait for a device that is away; fewer than limits.queue."""
RETAINED = 100
"""Topics of a segment that are set and cleared in turn."""
RELOAD_EVERY = 5.0
CHURN_EVERY = 0.05


def segmentation() -> str:
    """Per segment: a line that publishes, an ear that misses nothing, a sleeper that is often away, two that churn."""
    segments = "".join(f'  {name}: {{members: ["{name}-*"]}}\n' for name in SEGMENTS)
    return f"version: 1\ntrust_domain: {TRUST_DOMAIN}\nsegments:\n{segments}"


@dataclass
class Stage:
    """The site, its broker, and what is counted."""

    site: TestSite
    port: int
    pid: int
    target: int
    published: int = 0
    connects: int = 0
    reloads: int = 0
    sleeps: int = 0
    over: bool = False
    ledgers: dict[str, Ledger] = field(default_factory=lambda: {name: Ledger() for name in SEGMENTS})

    def __post_init__(self) -> None:
        self.tls = cache(self._tls)

    def _tls(self, device: str) -> ssl.SSLContext:
        return self.site.tls(device)

    async def join(
        self, name: str, *, clean: bool = True, will: Will | None = None, device: Device | None = None
    ) -> Device:
        """A connected device."""
        self.connects += 1
        return await (device or Device(name)).join(self.tls(name), self.port, clean=clean, will=will)


async def line(stage: Stage, number: int, segment: str) -> dict[int, int]:
    """Publish until all lines together have published enough. How many at each QoS."""
    device, sent = await stage.join(f"{segment}-line"), {0: 0, 1: 0, 2: 0}
    while stage.published < stage.target and not stage.over:
        topic = f"{segment}/line/{sum(sent.values()) // TOPIC_LIFE}"
        frames = []
        for qos in BATCH:
            frames.append(device.frame(topic, STAMP.pack(number, qos, sent[qos]), qos))
            sent[qos] += 1
        stage.published += len(BATCH)
        await device.publish(frames)
    await device.finish()
    device.leave()
    return sent


async def sleeper(stage: Stage, segment: str) -> None:
    """Be away while messages come, come back, and get each of them."""
    name, topic = f"{segment}-sleeper", f"{segment}/night"
    first = await stage.join(name, clean=False)
    await first.subscribe(topic, 1)
    first.leave()
    for night in itertools.count(1):
        if stage.over:
            return
        source = await stage.join(f"{segment}-guest-2")
        await source.publish([source.frame(topic, b"%d %d" % (night, n), 1) for n in range(QUEUED)])
        await source.finish()
        source.leave()
        stage.published += QUEUED
        heard: list[bytes] = []
        back = await stage.join(name, clean=False, device=Device(name, heard.append))
        await back.wait_until(lambda heard=heard: len(heard) >= QUEUED)  # type: ignore[misc]  # bound now
        assert sorted(set(heard)) == sorted({b"%d %d" % (night, n) for n in range(QUEUED)}), "queued messages were lost"
        back.leave()
        stage.sleeps += 1


async def guests(stage: Stage, segment: str, random: Random) -> None:
    """Connect, subscribe, retain, clear, be taken over, break off with a will: all the time."""
    name = f"{segment}-guest-1"
    for turn in itertools.count():
        if stage.over:
            return
        will = Will(f"{segment}/will", b"gone", 1, retain=turn % 7 == 0)
        guest = await stage.join(name, clean=random.random() < 0.7, will=will)
        topic_filter = random.choice((f"{segment}/state/#", f"{segment}/line/{turn}", f"{segment}/+/{turn}"))
        await guest.subscribe(topic_filter, random.randrange(3))
        state, old = f"{segment}/state/{turn}", f"{segment}/state/{turn - RETAINED}"
        await guest.publish([guest.frame(state, b"set", 1, retain=True), guest.frame(old, b"", 1, retain=True)])
        stage.published += 2
        await guest.finish()
        match turn % 4:
            case 0:
                guest.unsubscribe(topic_filter)
                guest.leave()
            case 1:
                guest.drop()
            case _:
                """The next turn takes over."""
        await asyncio.sleep(CHURN_EVERY)


async def operator(stage: Stage) -> None:
    """Put the policy in force again and again, each time with another conduit."""
    base = segmentation()
    for turn in itertools.count():
        await asyncio.sleep(RELOAD_EVERY)
        if stage.over:
            return
        one, other = SEGMENTS[turn % 4], SEGMENTS[(turn + 1) % 4]
        conduit = f"conduits:\n  turn-{turn}: {{from: {one}, to: {other}, topics: ['{one}/night']}}\n"
        stage.site.write_policy(base + conduit)
        os.kill(stage.pid, signal.SIGHUP)
        stage.reloads += 1
