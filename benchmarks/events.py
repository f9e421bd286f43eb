"""How long a question takes of a file with a million events, and how fast events are kept."""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks.figures import Figure, Report
from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.queries import EventQuery, moment, read_events
from mqttseg.observe.store import Store

EVENTS = 1_000_000
DEVICES = 1_000
BATCH = 5_000
ROUNDS = 15
START = 1_795_000_000_000

HOW = (
    f"{EVENTS:,} events of {DEVICES:,} devices, three of four comings and goings, the rest denials. Each question is "
    f"asked {ROUNDS} times, opening the file each time; medians and the slowest."
)


def run() -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.db"
        seconds = _fill(path)
        size = path.stat().st_size / (1 << 20)
        figures = [figure for what, query in _questions() for figure in _asked(what, partial(read_events, path, query))]
    kept = Figure("events kept per second, in batches", EVENTS / seconds, "1/s")
    return Report("events", "Events", [*figures, kept, Figure("size of the file", size, "MiB")], HOW)


def _questions() -> list[tuple[str, EventQuery]]:
    middle = moment(START + EVENTS // 2)
    return [
        ("of one device, all", EventQuery(device="device-7")),
        ("of one device, denied, latest 100", EventQuery(device="device-7", denied=True, limit=100)),
        ("of one device, since the middle", EventQuery(device="device-7", since=middle)),
        ("denied, latest 100", EventQuery(denied=True, limit=100)),
        ("of one segment, latest 100", EventQuery(segment="segment-3", limit=100)),
        ("of a reason, latest 100", EventQuery(reason=Reason.OUTSIDE_SEGMENT, limit=100)),
    ]


def _asked(what: str, ask: Callable[[], object]) -> list[Figure]:
    taken = []
    for _ in range(ROUNDS):
        start = perf_counter()
        ask()
        taken.append((perf_counter() - start) * 1000)
    return [
        Figure(f"{what}: median", statistics.median(taken), "ms", at_most=200),
        Figure(f"{what}: slowest", max(taken), "ms"),
    ]


def _fill(path: Path) -> float:
    chosen = random.Random(1)
    store = Store.open(path)
    start = perf_counter()
    for first in range(0, EVENTS, BATCH):
        store.add([(START + number, _event(chosen)) for number in range(first, first + BATCH)], [], START)
    seconds = perf_counter() - start
    store.close()
    return seconds


def _event(chosen: random.Random) -> Event:
    number = chosen.randrange(DEVICES)
    denied = not chosen.randrange(4)
    return Event(
        Kind.DENY if denied else chosen.choice((Kind.CONNECT, Kind.DISCONNECT)),
        Reason.OUTSIDE_SEGMENT if denied else Reason.OK,
        device=f"device-{number}",
        segment=f"segment-{number % 20}",
        address=f"192.0.2.{number % 250}:4711",
        action="publish" if denied else None,
        topic=f"hvac/device-{chosen.randrange(DEVICES)}/cmd" if denied else None,
    )
