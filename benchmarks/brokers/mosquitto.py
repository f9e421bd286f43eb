"""Mosquitto, with an acl_file or with its dynamic security plugin; the user is the certificate's CN."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.brokers.process import Broker, Kind, free_port, process, wait_for_port
from benchmarks.site import QUEUE, Site

_PLUGIN = "mosquitto_dynamic_security.so"


def _program() -> str:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin") or ""


def _plugin() -> Path | None:
    return next((path for root in ("/usr/lib", "/usr/local/lib") for path in Path(root).rglob(_PLUGIN)), None)


def _kind(name: str, about: str, access: Callable[[Site], Iterator[str]], missing: Callable[[], str]) -> Kind:
    @contextlib.contextmanager
    def start(site: Site) -> Iterator[Broker]:
        port, config, log = free_port(), site.root / f"{name}.conf", site.root / f"{name}.log"
        config.write_text("\n".join([*_config(site, port), *access(site)]) + "\n")
        with process([_program(), "-c", str(config)], log) as started:
            wait_for_port(started, port, log)
            yield Broker(name, port, started.pid)

    return Kind(name, about, start, missing)


def _config(site: Site, port: int) -> Iterator[str]:
    yield f"listener {port} 127.0.0.1"
    yield f"cafile {site.ca}"
    yield f"certfile {site.broker_certificate}"
    yield f"keyfile {site.broker_key}"
    yield "tls_version tlsv1.3"
    yield "require_certificate true"
    yield "use_identity_as_username true"
    yield "allow_anonymous false"
    yield "set_tcp_nodelay true"
    yield f"max_queued_messages {QUEUE}"
    yield "log_type error"
    if psutil.Process().username() == "root":
        yield "user root"  # else it could not read keys that are their owner's only


def _acl_file(site: Site) -> Iterator[str]:
    acl = site.root / "mosquitto.acl"
    acl.write_text("\n".join(_acl(site)) + "\n")
    acl.chmod(0o600)
    yield f"acl_file {acl}"


def _acl(site: Site) -> Iterator[str]:
    for device, right in site.segmentation.rights.items():
        yield f"user {device}"
        yield from (f"topic write {topic}" for topic in right.publish)
        yield from (f"topic read {topic_filter}" for topic_filter in right.subscribe)


def _dynsec(site: Site) -> Iterator[str]:
    """One role for each set of rights, as in the policy, where they do not name the device."""
    path = site.root / "dynsec.json"
    path.write_text(json.dumps(_dynsec_config(site)))
    path.chmod(0o600)
    yield f"plugin {_plugin()}"
    yield f"plugin_opt_config_file {path}"


def _dynsec_config(site: Site) -> dict[str, object]:
    roles: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
    clients = []
    for device, right in site.segmentation.rights.items():
        role = roles.setdefault((tuple(right.publish), tuple(right.subscribe)), f"r{len(roles)}")
        clients.append({"username": device, "roles": [{"rolename": role}]})
    refused = ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe")
    return {
        "defaultACLAccess": dict.fromkeys(refused, False),
        "clients": clients,
        "groups": [],
        "roles": [{"rolename": name, "acls": _dynsec_acls(*rights)} for rights, name in roles.items()],
    }


def _dynsec_acls(publish: Sequence[str], subscribe: Sequence[str]) -> list[dict[str, object]]:
    allowed = [
        *(("publishClientSend", text) for text in publish),
        *((kind, text) for text in subscribe for kind in ("publishClientReceive", "subscribePattern")),
    ]
    return [{"acltype": kind, "topic": text, "priority": 0, "allow": True} for kind, text in allowed]


def _no_program() -> str:
    return "" if _program() else "mosquitto is not installed"


def _no_plugin() -> str:
    return _no_program() or ("" if _plugin() else f"{_PLUGIN} is not installed")


ACL_FILE = _kind("mosquitto", "Mosquitto, `acl_file`", _acl_file, _no_program)
DYNSEC = _kind("mosquitto-dynsec", "Mosquitto, dynamic security plugin", _dynsec, _no_plugin)
