"""A broker's process: started, waited for, watched, ended."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.site import Site

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Broker:
    """One that runs."""

    name: str
    port: int
    pid: int

    def rss(self) -> int:
        """Bytes of memory in use."""
        return int(psutil.Process(self.pid).memory_info().rss)


@dataclass(frozen=True, slots=True)
class Kind:
    """A broker that can be started: ``missing`` says why it cannot, or nothing; ``qos`` is the highest it takes."""

    name: str
    about: str
    start: Callable[[Site], contextlib.AbstractContextManager[Broker]]
    missing: Callable[[], str] = lambda: ""
    qos: int = 2


@contextlib.contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, whatever happens."""
    raise_descriptor_limit()
    with log.open("wb") as errors:
        started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files, which those it starts inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def announced(started: subprocess.Popen[bytes], log: Path) -> int:
    """The port in the line `NAME ready mqtts://127.0.0.1:PORT`."""
    for _ in _attempts(started, log):
        ready = re.search(r" ready mqtts://127\.0\.0\.1:(\d+)", log.read_text(errors="replace"))
        if ready:
            return int(ready[1])
    raise TimeoutError(f"the broker did not become ready:\n{log.read_text(errors='replace')}")


def wait_for_port(started: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until something listens there."""
    for _ in _attempts(started, log):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    raise TimeoutError(f"nothing listens on port {port}:\n{log.read_text(errors='replace')}")


def _attempts(started: subprocess.Popen[bytes], log: Path) -> Iterator[None]:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        if started.poll() is not None:
            said = log.read_text(errors="replace")
            raise RuntimeError(f"the broker ended with status {started.returncode}\n{said}")
        yield
        time.sleep(0.05)


def free_port() -> int:
    """A port that was free a moment ago, for brokers that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
