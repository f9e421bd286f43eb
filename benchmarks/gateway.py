"""What the gateway's rules cost: to write, to check, to load, to change, and to every connection.

Checking and loading stand beside a ruleset in the shape of the first design, of as many devices, in the same run. What
needs root, nft and network namespaces is left out where these are missing, and the report says so.
"""

from __future__ import annotations

import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from benchmarks.figures import Figure, Report
from benchmarks.gateway_shapes import devices, reference_ruleset, write_site
from mqttseg.gateway import kernel
from mqttseg.gateway.nftables.render import render_nftables
from mqttseg.gateway.plan import Plan
from mqttseg.gateway.planning import plan_network
from mqttseg.gateway.sync import change
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.load import load_policy
from tests.gateway.conftest import POLICY, inventory
from tests.gateway.lab import Lab, inside, laboratory, why_not

T = TypeVar("T")
SIZES = {10_000: 2.0, 100_000: 20.0}
LOADED = 10_000
ROUNDS = 3
CONNECTIONS = 800
HOW = (
    "Devices in 100 segments, each with an IPv4 and an IPv6 address. Render: plan and ruleset of a policy that is read "
    f"already, and the memory of the whole command. nft: medians of {ROUNDS} rounds, ours and the design's shape in "
    f"turn. Connecting: medians of {CONNECTIONS} TCP connections through the gateway of the packet tests' lab."
)


def run() -> Report:
    """Measure."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        for count, seconds in SIZES.items():
            compiled = _site(folder, count, ports=False)
            took, _ = _timed(partial(_render, compiled))
            figures.append(Figure(f"render {count:,} devices", took, "s", at_most=seconds))
        figures.append(Figure(f"memory to render {count:,}", _command_memory(folder), "MiB", at_most=1024))
        if why := why_not():
            return Report("gateway", "The gateway's rules", figures, f"{HOW} Not loaded: {why}.")
        with laboratory("bench") as lab:
            figures += _nft(lab, folder)
            figures += _connecting(lab, folder)
    return Report("gateway", "The gateway's rules", figures, HOW)


def _render(compiled: Compiled) -> str:
    return render_nftables(plan_network(compiled))


def _site(folder: Path, count: int, *, ports: bool) -> Compiled:
    write_site(folder, count, ports=ports)
    return compile_policy(load_policy(folder / "policy.yaml", folder / "devices.yaml"), datetime.now(UTC))


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    start = perf_counter()
    result = act()
    return perf_counter() - start, result


def _command_memory(folder: Path) -> float:
    """MiB at most of ``gateway render`` for the site that was written last."""
    (folder / "mqttseg.yaml").write_text("policy: policy.yaml\n")
    command = [sys.executable, "-m", "mqttseg", "-c", str(folder / "mqttseg.yaml"), "gateway", "render"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


# --- nft --------------------------------------------------------------------------------------------------------------


def _nft(lab: Lab, folder: Path) -> list[Figure]:
    routed = render_nftables(plan_network(_site(folder, LOADED, ports=False)))
    ported = plan_network(_site(folder, LOADED, ports=True))
    rulesets = {"routed": routed, "with ports": render_nftables(ported), "the design's": reference_ruleset(LOADED)}
    took: dict[tuple[str, str], list[float]] = {}
    with inside(lab.gateway):
        for _ in range(ROUNDS):
            for name, ruleset in rulesets.items():
                took.setdefault((name, "check"), []).append(_timed(partial(kernel.check, ruleset))[0])
                took.setdefault((name, "load"), []).append(_timed(partial(kernel.load, ruleset))[0])
        kernel.load(rulesets["with ports"])
        added = _one_more(ported)
    figures = []
    for what in ("check", "load"):
        base = statistics.median(took["the design's", what])
        for name, target in (("routed", 1.2), ("with ports", None)):
            ratio = statistics.median(took[name, what]) / base
            note = f"the design's shape: {base:.2f} s"
            figures.append(Figure(f"{what} {LOADED:,} devices, {name}", ratio, "times", at_most=target, note=note))
    figures.append(Figure(f"one device more at {LOADED:,}", added * 1000, "ms", at_most=50))
    return figures


def _one_more(plan: Plan) -> float:
    """Seconds to give one device its elements in the loaded ruleset."""
    first, *others = plan.groups
    fewer = replace(plan, groups=(replace(first, devices=first.devices[1:]), *others))
    gone, back = change(plan, fewer).commands(), change(fewer, plan).commands()
    took = []
    for _ in range(5):
        kernel.load(gone)
        took.append(_timed(lambda: kernel.load(back))[0])
    return statistics.median(took)


# --- connecting -------------------------------------------------------------------------------------------------------


def _connecting(lab: Lab, folder: Path) -> list[Figure]:
    """The limit on new flows is left out of both rulesets: it would be all that is measured."""
    lab["srv"].listens(8883, "192.0.2.10")
    rulesets = [_lab_ruleset(folder, others).replace("ct state new jump new_flow", "") for others in (0, LOADED - 3)]
    took: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for found, ruleset in zip(took, rulesets, strict=True):
            with inside(lab.gateway):
                kernel.load(ruleset)
            with inside(lab["a1"]):
                found += [_timed(_connection)[0] for _ in range(CONNECTIONS // ROUNDS)]
    few, many = (statistics.median(found) for found in took)
    note = f"{few * 1e6:.0f} and {many * 1e6:.0f} us"
    return [Figure(f"connecting with {LOADED:,} devices to 3", many / few, "times", at_most=1.3, note=note)]


def _connection() -> None:
    socket.create_connection(("192.0.2.10", 8883), timeout=2).close()


def _lab_ruleset(folder: Path, others: int) -> str:
    """The lab's three devices, and so many that are not there."""
    (folder / "policy.yaml").write_text(re.sub("  subnets: .*\n", "", POLICY))
    more = "".join(
        f'  e{number}: {{segment: cameras, interface: br-iot, mac: "{mac}", addresses: [{v4}, "{v6}"]}}\n'
        for number, (_, mac, v4, v6, _) in enumerate(devices(others))
    )
    (folder / "devices.yaml").write_text(inventory("a1", "a2", "b1") + more.replace("fd00:9::", "fd00:77::"))
    policy = load_policy(folder / "policy.yaml", folder / "devices.yaml")
    return render_nftables(plan_network(compile_policy(policy, datetime.now(UTC))))
