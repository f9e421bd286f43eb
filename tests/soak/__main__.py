"""``make soak``: a real broker over mutual TLS for a million messages, with all that goes on at a site beside them.

Devices connect, take over and break off; subscriptions and topics come and go; retained messages are set and cleared;
queues of absent devices fill and empty; the policy is reloaded. The laws:

- nothing that was acknowledged is lost, and at QoS 2 nothing comes twice;
- memory is flat: its median in the last quarter of the time is at most TOLERANCE over that in the second.

A per cent or two remain: the cache of routes and SQLite's fill to their bounds, and connections come and go with
256 KiB of TLS buffers each, which leave the heap in pieces.

It ends after MESSAGES, or after SECONDS with as many as it has come to: ten minutes at most, three on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import psutil
import uvloop

from tests.soak.devices import Device
from tests.soak.scenes import QUEUED, SEGMENTS, Stage, guests, line, operator, segmentation, sleeper
from tests.support.programs import Program
from tests.support.sites import TestSite

MESSAGES = 1_000_000
SECONDS = 540.0
TOLERANCE = 0.10
SAMPLE_EVERY = 1.0
SHOW_EVERY = 30


class Soak:
    """One run."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self.stage = stage
        self.memory: list[int] = []
        self._seconds = seconds
        self._start = time.monotonic()

    async def run(self) -> list[str]:
        """Everything, until it is over. What broke a law."""
        ears = [await self._ear(segment) for segment in SEGMENTS]
        async with asyncio.TaskGroup() as scenes:
            scenes.create_task(self._watch(), name="memory")
            scenes.create_task(operator(self.stage), name="operator")
            for segment in SEGMENTS:
                scenes.create_task(guests(self.stage, segment, Random(segment)), name=f"guests of {segment}")
                scenes.create_task(sleeper(self.stage, segment), name=f"sleeper of {segment}")
            lines = [scenes.create_task(line(self.stage, i, s), name=f"line of {s}") for i, s in enumerate(SEGMENTS)]
            sent = [await one for one in lines]
            self.stage.over = True
        for segment, ear, (number, counts) in zip(SEGMENTS, ears, enumerate(sent), strict=True):
            await self._caught_up(segment, ear, number, counts)
        return [*self._losses(sent), *self._growth()]

    async def _ear(self, segment: str) -> Device:
        name = f"{segment}-ear"
        ear = await self.stage.join(name, device=Device(name, self.stage.ledgers[segment].hear))
        await ear.subscribe(f"{segment}/line/#", 2)
        return ear

    async def _caught_up(self, segment: str, ear: Device, number: int, sent: dict[int, int]) -> None:
        """All that was acknowledged has been sent to it by now, or never will be: wait for the last, not for ever."""
        accounts = self.stage.ledgers[segment].accounts

        def complete() -> bool:
            return all((number, qos) in accounts and accounts[number, qos].next == sent[qos] for qos in (1, 2))

        try:
            await asyncio.wait_for(ear.wait_until(complete), 30)
        except TimeoutError:
            print(f"{segment}: the last messages did not come", file=sys.stderr)

    async def _watch(self) -> None:
        broker = psutil.Process(self.stage.pid)
        while not self.stage.over:
            await asyncio.sleep(SAMPLE_EVERY)
            self.memory.append(broker.memory_info().rss)
            if time.monotonic() - self._start > self._seconds:
                self.stage.over = True
            if len(self.memory) % SHOW_EVERY == 0:
                print(f"{self.stage.published:>9} messages, {self.memory[-1] / 2**20:.1f} MiB", flush=True)

    def _losses(self, sent: list[dict[int, int]]) -> list[str]:
        broken = []
        for number, segment in enumerate(SEGMENTS):
            for qos in (0, 1, 2):
                account = self.stage.ledgers[segment].accounts[number, qos]
                lost = len(account.missing) + sent[number][qos] - account.next
                if lost and qos:
                    broken.append(f"{segment}: {lost} messages lost at QoS {qos}")
                if account.repeated and qos != 1:
                    broken.append(f"{segment}: {account.repeated} messages repeated at QoS {qos}")
        return broken

    def _growth(self) -> list[str]:
        second, last = self.quarters()
        if last <= second * (1 + TOLERANCE):
            return []
        return [f"memory grew from {second / 2**20:.1f} to {last / 2**20:.1f} MiB"]

    def quarters(self) -> tuple[float, float]:
        """Median memory in the second quarter of the time, and in the last."""
        quarter = len(self.memory) // 4
        if not quarter:
            raise SystemExit("the soak was too short to say anything of memory")
        return statistics.median(self.memory[quarter : 2 * quarter]), statistics.median(self.memory[-quarter:])

    def summary(self) -> str:
        """What was done, in figures."""
        stage, (second, last) = self.stage, self.quarters()
        lost = sum(
            len(a.missing) for ledger in stage.ledgers.values() for (_, q), a in ledger.accounts.items() if not q
        )
        return (
            f"{stage.published} messages in {time.monotonic() - self._start:.0f} s, {stage.connects} connects, "
            f"{stage.sleeps} queues of {QUEUED} filled and emptied, {stage.reloads} reloads; memory "
            f"{second / 2**20:.1f} MiB in the second quarter, {last / 2**20:.1f} MiB in the last "
            f"({(last / second - 1):+.1%}); {lost} messages lost at QoS 0, which may be"
        )


def main() -> int:
    """Run, say what was seen; 1 when a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="how many to publish (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="end after so long (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        site = TestSite(Path(directory), segmentation())
        command: list[str | Path] = [sys.executable, "-m", "mqttseg", "run", "-c", site.config]
        with Program(command) as broker:
            port = int(broker.wait_for_line("mqttseg ready").rpartition(":")[2])
            soak = Soak(Stage(site, port, broker.pid, options.messages), options.seconds)
            broken = uvloop.run(soak.run())
    print(soak.summary())
    for law in broken:
        print(f"BROKEN: {law}", file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
