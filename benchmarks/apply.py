"""What a change costs a running broker with thousands of devices: a policy applied, a device put out."""

from __future__ import annotations

import socket
import ssl
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, sleep

from benchmarks.brokers.ours import COMMIT
from benchmarks.brokers.process import Broker
from benchmarks.figures import Figure, Report
from benchmarks.load.drive import Load
from benchmarks.load.plan import Outcome, Plan, Publisher, Seat, Subscriber
from benchmarks.site import WORK, Certificates, Segmentation, Site
from mqttseg.control.client import Client
from mqttseg.wire.encode import encode
from mqttseg.wire.packets import Connect, Pingreq

DEVICES = 5_000
STOLEN = 100
BUSY = 10
RATE = 100.0
"""Messages a second of each busy device."""

APPLIES = 6
PACE = 0.002
"""Seconds between two pings of the probe."""

HOW = (
    f"{DEVICES:,} devices connected with mutual TLS, each with two subscriptions; {BUSY} others publish "
    f"{BUSY * RATE:,.0f} messages a second at QoS 1 to one subscriber. The policy is changed and applied over the "
    f"control API: first so that each of the {DEVICES:,} loses a subscription, then back and forth. The loop: the "
    f"longest round trip of a PINGREQ that is sent every {PACE * 1000:.0f} ms meanwhile, with all else that it takes. "
    f"Quarantine: from the command's request to the end of the device's socket, {STOLEN} devices one after the other."
)

_POLICY = """\
version: 1
trust_domain: bench.example
segments:
  crowd:
    members: ["dev-*"]
    publish: ["crowd/${{device}}/#"]
    subscribe: ["crowd/${{device}}/#"{everybody}]
  busy: {{members: ["busy-*", "probe-*"]}}
"""
WITH, WITHOUT = _POLICY.format(everybody=', "crowd/all/#"'), _POLICY.format(everybody="")


@dataclass(frozen=True, slots=True)
class Applied:
    """One change: seconds until the command had its answer, the longest round trip meanwhile, and what it withdrew."""

    seconds: float
    held: float
    subscriptions: int


@dataclass(frozen=True, slots=True)
class Run:
    """All that was measured. ``idle``: the longest round trip of as long a time without a change."""

    idle: float
    applied: tuple[Applied, ...]
    quarantined: tuple[float, ...]
    load: Outcome


def run(devices: int = DEVICES) -> Report:
    """Measure."""
    crowd = [f"dev-{n}" for n in range(devices)]
    busy = [f"busy-{n}" for n in range(BUSY)]
    certificates = Certificates.of(WORK / "apply", [*crowd, *busy, "probe-1"])
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory), Segmentation({}), certificates)
        _write(site, WITH)
        with COMMIT.start(site) as broker, Load(_crowd(site, broker, crowd[STOLEN:])) as held:
            held.connect()
            held.subscribe()
            measured = _measure(site, broker, crowd[:STOLEN], busy)
            there = held.count()
    if there != devices - STOLEN:
        raise RuntimeError(f"{there:,} of {devices - STOLEN:,} idle connections are left")
    return Report("apply", "Changes while devices are connected", _figures(measured), HOW, asdict(measured))


def _measure(site: Site, broker: Broker, stolen: list[str], busy: list[str]) -> Run:
    state = site.root / f"state-{broker.name}"
    with Client(state) as control, Load(_busy(site, broker, busy)) as load:
        load.connect()
        load.subscribe()
        sockets = {device: _join(site.seat(device), site, broker) for device in stolen}
        load.begin()
        sleep(1.0)
        before = load.mark()
        with _probing(_join(site.seat("probe-1"), site, broker)) as probe:
            idle = _idle(probe)
            applied = tuple(_apply(site, control, probe, number) for number in range(APPLIES))
        quarantined = tuple(_quarantine(control, device, sockets[device]) for device in stolen)
        return Run(idle, applied, quarantined, load.end(before, load.mark()))


def _idle(probe: Probe) -> float:
    probe.longest = 0.0
    sleep(1.0)
    return probe.longest


def _apply(site: Site, control: Client, probe: Probe, number: int) -> Applied:
    _write(site, WITH if number % 2 else WITHOUT)
    sleep(0.3)
    probe.longest = 0.0
    start = perf_counter()
    answer = control.apply_policy()
    seconds = perf_counter() - start
    sleep(0.05)  # a round trip that is still under way counts
    return Applied(seconds, probe.longest, answer.subscriptions)


def _quarantine(control: Client, device: str, connection: ssl.SSLSocket) -> float:
    start = perf_counter()
    control.quarantine(device, None, "")
    try:
        while connection.recv(1024):
            pass
    except OSError:
        pass
    return perf_counter() - start


def _write(site: Site, policy: str) -> None:
    (site.root / "configs" / "policy.yaml").write_text(policy)


def _crowd(site: Site, broker: Broker, devices: list[str]) -> Plan:
    members = tuple(Subscriber(site.seat(name), (f"crowd/{name}/x", "crowd/all/#")) for name in devices)
    return Plan(broker.port, str(site.ca), (), members, writers=0, readers=1, watch=broker.pid)


def _busy(site: Site, broker: Broker, devices: list[str]) -> Plan:
    return Plan(
        port=broker.port,
        ca=str(site.ca),
        publishers=tuple(Publisher(site.seat(name), f"busy/{name}") for name in devices),
        subscribers=(Subscriber(site.seat(devices[0], "ear"), ("busy/#",)),),
        qos=1,
        rate=RATE,
        watch=broker.pid,
    )


# A connection of our own: blocking, so that the moment of its end is seen as it comes


def _join(seat: Seat, site: Site, broker: Broker) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(site.ca))
    context.load_cert_chain(seat.certificate, seat.key)
    plain = socket.create_connection(("127.0.0.1", broker.port), timeout=20)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    joined = context.wrap_socket(plain, server_hostname="localhost")
    joined.sendall(encode(Connect(seat.client_id)))
    connack = joined.recv(4)
    if connack[3:] != b"\0":
        raise RuntimeError(f"{seat.client_id} was refused: {connack!r}")
    return joined


class Probe:
    """Sends PINGREQ again and again; ``longest`` is the longest round trip, in seconds, since it was set to 0."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._stopped = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        """Until it is stopped."""
        ping = encode(Pingreq())
        while not self._stopped.wait(PACE):
            start = perf_counter()
            self._connection.sendall(ping)
            self._connection.recv(2)
            self.longest = max(self.longest, perf_counter() - start)

    def stop(self) -> None:
        """After the round trip that is under way."""
        self._stopped.set()


@contextmanager
def _probing(connection: ssl.SSLSocket) -> Iterator[Probe]:
    probe = Probe(connection)
    thread = threading.Thread(target=probe.run, name="probe")
    thread.start()
    try:
        yield probe
    finally:
        probe.stop()
        thread.join()


def _figures(run: Run) -> list[Figure]:
    first, *rest = run.applied
    quarantined = sorted(seconds * 1000 for seconds in run.quarantined)
    return [
        Figure("apply: the longest", max(a.seconds for a in run.applied), "s", at_most=1.0),
        Figure("apply: the median", statistics.median(a.seconds for a in run.applied), "s"),
        Figure(
            f"apply: the loop, while {first.subscriptions:,} subscriptions are withdrawn",
            first.held * 1000,
            "ms",
            at_most=50.0,
            note=f"{run.idle * 1000:.1f} ms without a change",
        ),
        Figure("apply: the loop, the other times", max(a.held for a in rest) * 1000, "ms", at_most=50.0),
        Figure("apply: messages lost", run.load.lost, "", at_most=0, note=f"of {run.load.sent:,} {run.load.faults}"),
        Figure("quarantine to socket closed: p50", quarantined[len(quarantined) // 2], "ms"),
        Figure("quarantine to socket closed: p99", quarantined[-max(1, len(quarantined) // 100)], "ms", at_most=100.0),
    ]
