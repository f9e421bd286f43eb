"""`mqttseg run`, as it is: with the policy file itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

import yaml

from benchmarks.brokers.process import Broker, Kind, announced, process
from benchmarks.site import QUEUE, Site

RUN = ("mqttseg", "run", "-c")


def kind(name: str, durability: str, program: Sequence[str] = RUN) -> Kind:
    """Ours with one setting of durability; ``program`` is a module and its arguments, the configuration comes last."""

    @contextlib.contextmanager
    def start(site: Site) -> Iterator[Broker]:
        config = site.root / "configs" / f"{name}.yaml"
        limits = {"queue": QUEUE, "client_subscriptions": 20_000}
        keys = {"certs": str(site.certs), "state": f"../state-{name}", "durability": durability, "limits": limits}
        config.write_text(yaml.safe_dump({**keys, "listen": ["mqtts://127.0.0.1:0"]}))
        log = site.root / f"{name}.log"
        with process([sys.executable, "-m", *program, str(config)], log) as started:
            yield Broker(name, announced(started, log), started.pid)

    return Kind(name, f"`mqttseg run`, `durability: {durability}`", start)


COMMIT = kind("mqttseg", "commit")
UNOBSERVED = kind("mqttseg-unobserved", "commit", ["benchmarks.brokers.unobserved"])
OFF = kind("mqttseg-off", "off")
