"""A network of namespaces: devices on a bridge, a gateway, and servers behind it. Made and removed by the tests.

::

    a1 (hvac)  a2 (hvac)  b1 (cameras)  x1 (nobody)   c1 (cameras)      srv (broker, dns)   adm
     |pa1       |pa2       |pb1          |px1          |                 |                  |
     +----------+----- br-iot ----------+             iot1               +-- up0            +-- up1
                     gw  10.9.0.1  fd00:9::1   10.8.0.1  fd00:8::1       192.0.2.0/24 2001:db8::/64   198.51.100.0/24
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

WORKER = Path(__file__).with_name("host_worker.py")
ANSWERS = 2.0  # seconds until what is allowed has certainly arrived
_CLONE_NEWNET = 0x40000000
SILENCE = 0.35  # seconds after which what has not arrived was dropped


def why_not() -> str | None:
    """Why packets cannot be tried here, or None."""
    missing = [tool for tool in ("nft", "ip") if shutil.which(tool) is None]
    if missing:
        return f"needs {' and '.join(missing)}: install nftables and iproute2"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    probe = subprocess.run(["unshare", "-n", "nft", "list", "tables"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "this kernel does not let nft into a new network namespace"


@dataclass(slots=True)
class Host:
    """A namespace with a worker in it."""

    name: str
    space: str
    process: subprocess.Popen[str] = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def ask(self, command: str, **arguments: object) -> Any:
        """Let the worker do something and return what it says."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, arguments]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise OSError(f"{self.name}: {command}: {answer['error']}")
        return answer["value"]

    def run(self, *command: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command inside the namespace."""
        line = ["ip", "netns", "exec", self.space, *command]
        done = subprocess.run(line, input=text, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)} on {self.name}: {done.stderr}")
        return done

    def listens(self, port: int, *addresses: str, transport: str = "tcp") -> None:
        """Serve echoes."""
        for address in addresses:
            self.ask("listen", transport=transport, address=address, port=port)

    def mac(self, interface: str = "eth0") -> str:
        """The MAC address of an interface."""
        return self.run("cat", f"/sys/class/net/{interface}/address").stdout.strip()

    def opens(
        self,
        address: str,
        port: int,
        *,
        transport: str = "tcp",
        name: str = "",
        source: str = "",
        source_port: int = 0,
    ) -> bool:
        """Whether a connection comes about: what must be."""
        return bool(self._connect(address, port, transport, name, source, ANSWERS, source_port))

    def is_kept_from(self, address: str, port: int, *, transport: str = "tcp", source: str = "") -> bool:
        """Whether a connection does not come about: what must not be."""
        return not self._connect(address, port, transport, "", source, SILENCE)

    def _connect(
        self, address: str, port: int, transport: str, name: str, source: str, timeout: float, source_port: int = 0
    ) -> Any:
        arguments = {"name": name, "transport": transport, "address": address, "port": port}
        return self.ask("connect", **arguments, source=source, source_port=source_port, timeout=timeout)

    def still_has(self, name: str) -> bool:
        """Whether the connection of that name carries data."""
        return bool(self.ask("exchange", name=name, timeout=ANSWERS))

    def has_lost(self, name: str) -> bool:
        """Whether it does not."""
        return not self.ask("exchange", name=name, timeout=SILENCE)


@contextmanager
def inside(host: Host) -> Iterator[None]:
    """This thread, and the processes it starts, are on the host's network."""
    with Path("/proc/thread-self/ns/net").open("rb") as here, Path(f"/run/netns/{host.space}").open("rb") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(slots=True)
class Lab:
    """The hosts by name."""

    hosts: dict[str, Host]

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    @property
    def gateway(self) -> Host:
        return self.hosts["gw"]

    def load(self, ruleset: str) -> None:
        """Load a ruleset on the gateway."""
        self.gateway.run("nft", "-f", "-", text=ruleset)

    def ruleset(self) -> Any:
        """What is loaded on the gateway, as nft tells it in JSON."""
        return json.loads(self.gateway.run("nft", "-j", "list", "ruleset").stdout)["nftables"]

    def counter(self, name: str, family: str = "inet") -> int:
        """Packets that a named counter has seen."""
        told = json.loads(self.gateway.run("nft", "-j", "list", "counter", family, "mqttseg", name).stdout)
        return int(next(item["counter"]["packets"] for item in told["nftables"] if "counter" in item))


@dataclass(frozen=True, slots=True)
class Port:
    """A device host on the bridge."""

    host: str
    port: str
    mac: str
    v4: str
    v6: str


C1 = Port("c1", "iot1", "02:bb:00:00:00:02", "10.8.0.21", "fd00:8::21")  # alone on an interface of its own
PORTS = (
    Port("a1", "pa1", "02:aa:00:00:00:01", "10.9.0.11", "fd00:9::11"),
    Port("a2", "pa2", "02:aa:00:00:00:02", "10.9.0.12", "fd00:9::12"),
    Port("b1", "pb1", "02:bb:00:00:00:01", "10.9.0.21", "fd00:9::21"),
    Port("x1", "px1", "02:cc:00:00:00:01", "10.9.0.31", "fd00:9::31"),
)


@contextmanager
def laboratory(tag: str) -> Iterator[Lab]:
    """The network of the module's picture. ``tag`` keeps its namespaces apart from those of others."""
    with ExitStack() as stack:
        names = ("gw", "srv", "adm", C1.host, *(port.host for port in PORTS))
        hosts = {name: stack.enter_context(_host(stack, name, f"mqttseg-{tag}-{name}")) for name in names}
        gateway = hosts["gw"]
        gateway.run("ip", "link", "add", "br-iot", "type", "bridge")
        gateway.run("ip", "link", "set", "br-iot", "up")
        for port in PORTS:
            _plug(gateway, hosts[port.host], port.port)
            gateway.run("ip", "link", "set", port.port, "master", "br-iot")
            hosts[port.host].run("ip", "link", "set", "eth0", "address", port.mac)
            _address(hosts[port.host], "eth0", f"{port.v4}/24", f"{port.v6}/64")
            _route(hosts[port.host], "10.9.0.1", "fd00:9::1")
        _plug(gateway, hosts["c1"], C1.port)
        hosts["c1"].run("ip", "link", "set", "eth0", "address", C1.mac)
        _address(hosts["c1"], "eth0", f"{C1.v4}/24", f"{C1.v6}/64")
        _route(hosts["c1"], "10.8.0.1", "fd00:8::1")
        _address(gateway, C1.port, "10.8.0.1/24", "fd00:8::1/64")
        _plug(gateway, hosts["srv"], "up0")
        _plug(gateway, hosts["adm"], "up1")
        _address(gateway, "br-iot", "10.9.0.1/24", "fd00:9::1/64")
        _address(gateway, "up0", "192.0.2.1/24", "2001:db8::1/64")
        _address(gateway, "up1", "198.51.100.1/24", "2001:db8:1::1/64")
        _address(hosts["srv"], "eth0", "192.0.2.10/24", "192.0.2.53/24", "2001:db8::10/64")
        _route(hosts["srv"], "192.0.2.1", "2001:db8::1")
        _address(hosts["adm"], "eth0", "198.51.100.40/24", "2001:db8:1::40/64")
        _route(hosts["adm"], "198.51.100.1", "2001:db8:1::1")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            gateway.run("sysctl", "-qw", f"{key}=1")
        yield Lab(hosts)


@contextmanager
def _host(stack: ExitStack, name: str, space: str) -> Iterator[Host]:
    subprocess.run(["ip", "netns", "add", space], check=True, capture_output=True)
    stack.callback(subprocess.run, ["ip", "netns", "delete", space], check=False, capture_output=True)
    command = ["ip", "netns", "exec", space, sys.executable, str(WORKER)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with Host(name, space, process) as host:
        host.run("ip", "link", "set", "lo", "up")
        # addresses are usable at once: no time is spent on finding duplicates
        host.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        yield host


def _plug(gateway: Host, host: Host, port: str) -> None:
    gateway.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.space)
    gateway.run("ip", "link", "set", port, "up")
    host.run("ip", "link", "set", "eth0", "up")


def _address(host: Host, interface: str, *addresses: str) -> None:
    for address in addresses:
        host.run("ip", "address", "add", address, "dev", interface)


def _route(host: Host, *gateways: str) -> None:
    for gateway in gateways:
        host.run("ip", "route", "add", "default", "via", gateway)
