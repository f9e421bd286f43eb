"""How long ``mqttseg policy check`` takes for a policy of 1,000 segments and 100,000 grants."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from benchmarks.figures import Figure, Report
from benchmarks.policies import write_large
from mqttseg.policy.check import run_tests
from mqttseg.policy.compiled import compile_policy
from mqttseg.policy.load import load_policy

T = TypeVar("T")
ROUNDS = 3
SEGMENTS, GRANTS = 1_000, 100_000
TIMEOUT = 120.0
HOW = (
    f"{SEGMENTS:,} segments, {GRANTS:,} grants, 500 conduits, 1,501 tests in one file; medians of {ROUNDS} rounds; a "
    "busy machine only adds."
)


def run(rounds: int = ROUNDS) -> Report:
    """Measure."""
    with tempfile.TemporaryDirectory() as directory:
        configs = Path(directory) / "configs"
        configs.mkdir()
        path = configs / "policy.yaml"
        write_large(path, SEGMENTS, GRANTS)
        size = path.stat().st_size
        steps = [_steps(path) for _ in range(rounds)]
        runs = [_command(path) for _ in range(rounds)]
    figures = [
        Figure(name, statistics.median(step[name] for step in steps), "s") for name in ("load", "compile", "run tests")
    ]
    wall, cpu = (statistics.median(seconds) for seconds in zip(*runs, strict=True))
    figures.append(Figure("the command, from start to exit", wall, "s", at_most=10.0, note=f"{size / 1e6:.1f} MB"))
    figures.append(Figure("the command, CPU time", cpu, "s", note="what it takes on a machine that does nothing else"))
    return Report("policy_check", "Checking a large policy", figures, HOW, [*steps, *runs])


def _steps(path: Path) -> dict[str, float]:
    load, policy = _timed(lambda: load_policy(path))
    build, compiled = _timed(lambda: compile_policy(policy, datetime.now(UTC)))
    test, failures = _timed(lambda: run_tests(compiled))
    assert not failures, failures[0]
    return {"load": load, "compile": build, "run tests": test}


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    start = perf_counter()
    result = act()
    return perf_counter() - start, result


def _command(path: Path) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    command = [sys.executable, "-m", "mqttseg", "policy", "check", str(path)]
    before = _children_cpu()
    seconds, done = _timed(
        lambda: subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    )
    if done.returncode:
        raise RuntimeError(f"policy check failed with status {done.returncode}: {done.stderr[-1000:]}")
    return seconds, _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
