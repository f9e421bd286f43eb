"""Starts one broker in a process of its own, on loopback, with the certificates and rights of a site.

Every broker gets what its own users would write: the same rights, mutual TLS, its defaults for everything else.
"""

from __future__ import annotations

import contextlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from benchmarks.site import Site

START_TIMEOUT = 20.0
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


Start = Callable[[Site], contextlib.AbstractContextManager[Broker]]


@contextlib.contextmanager
def mqttseg(site: Site) -> Iterator[Broker]:
    """`mqttseg run`, as it is."""
    command = [sys.executable, "-m", "mqttseg", "run", "-c", str(site.config), "--listen", "mqtts://127.0.0.1:0"]
    log = site.root / "mqttseg.log"
    with process(command, log) as started:
        yield Broker("mqttseg", announced(started, log), started.pid)


@contextlib.contextmanager
def amqtt(site: Site) -> Iterator[Broker]:
    """The stock `amqtt` command with its TopicAccessControlListPlugin. It goes by the user name the client gives."""
    port = _free_port()
    config = site.root / "amqtt.yaml"
    config.write_text(yaml.safe_dump(_amqtt_config(site, port)))
    code = "from amqtt.scripts.broker_script import main; main()"
    with process([sys.executable, "-c", code, "-c", str(config)], site.root / "amqtt.log") as started:
        _wait_for_port(started, port)
        yield Broker("amqtt", port, started.pid)


@contextlib.contextmanager
def mosquitto(site: Site) -> Iterator[Broker]:
    """Mosquitto with an acl_file; the user is the certificate's CN."""
    port = _free_port()
    config, acl = site.root / "mosquitto.conf", site.root / "mosquitto.acl"
    acl.write_text("\n".join(_mosquitto_acl(site)) + "\n")
    acl.chmod(0o600)
    config.write_text("\n".join(_mosquitto_config(site, port, acl)) + "\n")
    with process([_mosquitto_path() or "mosquitto", "-c", str(config)], site.root / "mosquitto.log") as started:
        _wait_for_port(started, port)
        yield Broker("mosquitto", port, started.pid)


def installed() -> dict[str, Start]:
    """Every broker that can be started here, ours first."""
    found: dict[str, Start] = {"mqttseg": mqttseg, "amqtt": amqtt}
    if _mosquitto_path():
        found["mosquitto"] = mosquitto
    return found


def _mosquitto_path() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _amqtt_config(site: Site, port: int) -> dict[str, object]:
    rights = site.segmentation.rights
    listener = {
        "type": "tcp",
        "bind": f"127.0.0.1:{port}",
        "ssl": True,
        "cafile": str(site.ca),
        "certfile": str(site.broker_certificate),
        "keyfile": str(site.broker_certificate.with_suffix(".key")),
    }
    acl = {
        "publish_acl": {device: list(right.publish) for device, right in rights.items() if right.publish},
        "acl": {device: list(right.subscribe) for device, right in rights.items() if right.subscribe},
    }
    plugins: dict[str, object] = {
        "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False},
        "amqtt.plugins.topic_checking.TopicAccessControlListPlugin": acl,
    }
    return {"listeners": {"default": listener}, "plugins": plugins}


def _mosquitto_config(site: Site, port: int, acl: Path) -> Iterator[str]:
    yield f"listener {port} 127.0.0.1"
    yield f"cafile {site.ca}"
    yield f"certfile {site.broker_certificate}"
    yield f"keyfile {site.broker_certificate.with_suffix('.key')}"
    yield "require_certificate true"
    yield "use_identity_as_username true"
    yield "allow_anonymous false"
    yield f"acl_file {acl}"
    yield "set_tcp_nodelay true"
    yield "max_queued_messages 100000"
    yield "log_type error"
    if psutil.Process().username() == "root":
        yield "user root"  # else it could not read keys that are their owner's only


def _mosquitto_acl(site: Site) -> Iterator[str]:
    for device, right in site.segmentation.rights.items():
        yield f"user {device}"
        yield from (f"topic write {topic}" for topic in right.publish)
        yield from (f"topic read {topic_filter}" for topic_filter in right.subscribe)


@contextlib.contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, whatever happens."""
    raise_descriptor_limit()
    with log.open("wb") as errors:
        started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
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


def _wait_for_port(started: subprocess.Popen[bytes], port: int) -> None:
    for _ in _attempts(started, None):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    raise TimeoutError(f"nothing listens on port {port}")


def _attempts(started: subprocess.Popen[bytes], log: Path | None) -> Iterator[None]:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        if started.poll() is not None:
            said = log.read_text(errors="replace") if log else ""
            raise RuntimeError(f"the broker ended with status {started.returncode}\n{said}")
        yield
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
