"""Leads the generator's processes through a plan: connect, subscribe, warm up, measure, drain; and adds up.

The rates are taken here, from the ledger, beside the CPU time of every process involved over the same seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import psutil

from benchmarks.load.ledger import Count, Ledger, Phase
from benchmarks.load.plan import SHARE, TALLY, Outcome, Plan, Share, Tally

STALL = 1.0
"""Seconds without progress after which what is outstanding counts as lost, and the window opens again."""

DRAIN = 5.0
_STEP = 0.05


@dataclass(frozen=True, slots=True)
class Mark:
    """Readings at one moment of a run."""

    at: float
    received: int
    acknowledged: int
    generator: tuple[float, ...]
    broker: float
    idle: float


class Load:
    """A plan under way, in processes that end with the block."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan = _fitted(plan)
        self._directory = tempfile.TemporaryDirectory()
        path, slots = Path(self._directory.name) / "ledger", plan.writers + plan.readers
        path.write_bytes(bytes(Ledger.size(slots)))
        self.ledger = Ledger(path, slots)
        self._processes = [_start(share) for share in _shares(plan, str(path))]
        self._broker = psutil.Process(plan.watch) if plan.watch else None
        self._owed = 0
        self.stalls = 0

    def __enter__(self) -> Load:
        for process in self._processes:
            _line(process)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        self._directory.cleanup()

    # Commands

    def connect(self) -> float:
        """Open all connections; seconds."""
        return max(self._ask("connect"))

    def subscribe(self) -> float:
        """Make all subscriptions; seconds."""
        return max(self._ask("subscribe"))

    def count(self) -> int:
        """How many connections are up."""
        return round(sum(self._ask("count")))

    def _ask(self, command: str) -> list[float]:
        self._tell(command)
        return [float(_line(process)) for process in self._processes]

    def _tell(self, command: str) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(command.encode() + b"\n")
            process.stdin.flush()

    # The run

    def connecting(self) -> Outcome:
        """Open all connections; its rate is of connections."""
        before = self.mark()
        self.connect()
        after = self.mark()
        connections = len(self._plan.publishers) + len(self._plan.subscribers)
        outcome = self._outcome(before, after, [])
        return replace(outcome, rate=connections / (after.at - before.at))

    def collect(self, owed: int) -> Outcome:
        """Connect without subscribing, and take what a stored session is owed."""
        self.connect()
        before = self.mark()
        self._tell("run")
        self._owed = owed
        return self.end(before, self.mark())

    def begin(self) -> None:
        """Let the messages flow."""
        self._tell("run")
        self.ledger.phase = Phase.SEND

    def run(self) -> Outcome:
        """Warm up, measure, drain. Connections and subscriptions must be there."""
        self.begin()
        self._sleep(self._plan.warm_up)
        before = self.mark()
        self.ledger.phase = Phase.MEASURE
        self._sleep(self._plan.seconds)
        after = self.mark()
        return self.end(before, after)

    def mark(self) -> Mark:
        """Read all clocks and counters."""
        return Mark(
            at=time.perf_counter(),
            received=self.ledger.total(Count.RECEIVED),
            acknowledged=self.ledger.total(Count.ACKNOWLEDGED),
            generator=tuple(_cpu(psutil.Process(process.pid)) for process in self._processes),
            broker=_cpu(self._broker) if self._broker else 0.0,
            idle=psutil.cpu_times().idle,
        )

    def _sleep(self, seconds: float) -> None:
        """Wait, and open the window again whenever nothing has come for a while."""
        end = time.perf_counter() + seconds
        seen, since = -1, time.perf_counter()
        while (now := time.perf_counter()) < end:
            time.sleep(min(_STEP, end - now))
            received = self.ledger.total(Count.RECEIVED)
            if received != seen:
                seen, since = received, now
            elif now - since > STALL and self.ledger.outstanding() > 0 and not self._plan.rate:
                self.ledger.forgive()
                self.stalls, since = self.stalls + 1, now

    def end(self, before: Mark, after: Mark) -> Outcome:
        """Stop writing, wait for what is still due, and add up."""
        self.ledger.phase = Phase.DRAIN
        self._drain()
        self.ledger.phase = Phase.END
        return self._outcome(before, after, [TALLY.validate_json(_line(process)) for process in self._processes])

    def _drain(self) -> None:
        """Until everything is there, or nothing has come for a while."""
        seen, since = (-1, -1), time.perf_counter()
        while time.perf_counter() - since < DRAIN:
            now = self.ledger.total(Count.RECEIVED), self.ledger.total(Count.ACKNOWLEDGED)
            if now != seen:
                seen, since = now, time.perf_counter()
            acknowledged = not self._plan.qos or now[1] >= self.ledger.total(Count.SENT)
            if now[0] >= self._due() and acknowledged:
                time.sleep(_STEP)
                if now[0] == self.ledger.total(Count.RECEIVED):
                    return
            time.sleep(_STEP)

    def _due(self) -> int:
        return self._owed + self.ledger.total(Count.OWED)

    def _outcome(self, before: Mark, after: Mark, tallies: Sequence[Tally]) -> Outcome:
        seconds = after.at - before.at
        waits = [wait for tally in tallies for wait in tally.waits]
        ranks = statistics.quantiles(waits, n=100) if len(waits) > 1 else [0.0] * 99
        duplicated = sum(tally.duplicated for tally in tallies)
        received = self.ledger.total(Count.RECEIVED)
        return Outcome(
            rate=(after.received - before.received) / seconds,
            acknowledged=(after.acknowledged - before.acknowledged) / seconds,
            sent=self.ledger.total(Count.SENT),
            received=received,
            lost=self._due() - (received - duplicated),
            duplicated=duplicated,
            reordered=sum(tally.reordered for tally in tallies),
            stalls=self.stalls,
            closed=sum(tally.closed for tally in tallies),
            p50=ranks[49] / 1e6,
            p99=ranks[98] / 1e6,
            generator=tuple((b - a) / seconds for a, b in zip(before.generator, after.generator, strict=True)),
            broker_cpu=(after.broker - before.broker) / seconds,
            idle=(after.idle - before.idle) / seconds,
        )


def drive(plan: Plan) -> Outcome:
    """Put a load on a broker, and wait for the outcome."""
    with Load(plan) as load:
        load.connect()
        load.subscribe()
        return load.run()


def _fitted(plan: Plan) -> Plan:
    """No more processes than there are connections for them."""
    writers, readers = min(plan.writers, len(plan.publishers)), min(plan.readers, len(plan.subscribers))
    return replace(plan, writers=writers, readers=readers)


def _shares(plan: Plan, ledger: str) -> list[Share]:
    total, shares = len(plan.publishers), []
    for slot in range(plan.writers):
        first, last = total * slot // plan.writers, total * (slot + 1) // plan.writers
        part = replace(plan, publishers=plan.publishers[first:last], subscribers=())
        shares.append(Share(part, slot, first, total, ledger))
    for slot in range(plan.readers):
        part = replace(plan, publishers=(), subscribers=plan.subscribers[slot :: plan.readers])
        shares.append(Share(part, plan.writers + slot, 0, total, ledger))
    return shares


def _start(share: Share) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.load.worker"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(SHARE.dump_json(share) + b"\n")
    process.stdin.flush()
    return process


def _line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("a process of the load generator failed: see stderr")
    return answer


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
