"""NATS with MQTT: tls verify_and_map gives the user, permissions the rights, JetStream a directory of the site's.

A topic's levels become a subject's tokens; what MQTT calls `a/#` is `a` and `a.>` there. QoS 1 subscriptions are
JetStream consumers that deliver on `$MQTT.sub.>`, which each user must be let read. NATS 2.9 has no QoS 2.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence

from benchmarks.brokers.process import Broker, Kind, free_port, process, wait_for_port
from benchmarks.site import TRUST_DOMAIN, Right, Site


def _program() -> str:
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin") or ""


@contextlib.contextmanager
def _start(site: Site) -> Iterator[Broker]:
    port, config, log = free_port(), site.root / "nats.conf", site.root / "nats.log"
    config.write_text(json.dumps(_config(site, port)))  # its language takes JSON
    with process([_program(), "-c", str(config)], log) as started:
        wait_for_port(started, port, log)
        yield Broker("nats", port, started.pid)


def _config(site: Site, port: int) -> dict[str, object]:
    tls = {
        "cert_file": str(site.broker_certificate),
        "key_file": str(site.broker_key),
        "ca_file": str(site.ca),
        "verify_and_map": True,
    }
    return {
        "server_name": "bench",
        "listen": f"127.0.0.1:{free_port()}",
        "jetstream": {"store_dir": str(site.root / "nats")},
        "mqtt": {"listen": f"127.0.0.1:{port}", "tls": tls},
        "authorization": {"users": [_user(*item) for item in site.segmentation.rights.items()]},
    }


def _user(device: str, right: Right) -> dict[str, object]:
    permissions = {"publish": _allowed(right.publish), "subscribe": _allowed([*right.subscribe], "$MQTT.sub.>")}
    return {"user": f"spiffe://{TRUST_DOMAIN}/device/{device}", "permissions": permissions}


def _allowed(filters: Sequence[str], *also: str) -> dict[str, object]:
    subjects = [*(subject for text in filters for subject in _subjects(text)), *also]
    return {"allow": subjects} if subjects else {"deny": [">"]}


def _subjects(topic_filter: str) -> list[str]:
    subject = topic_filter.replace("/", ".").replace("+", "*").replace("#", ">")
    return [subject.removesuffix(".>"), subject] if subject.endswith(".>") else [subject]


NATS = Kind(
    "nats",
    "NATS, `verify_and_map` and permissions",
    _start,
    lambda: "" if _program() else "nats-server is not installed",
    qos=1,
)
