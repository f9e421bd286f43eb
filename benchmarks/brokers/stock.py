"""The stock `amqtt` command with its TopicAccessControlListPlugin. It goes by the user name that the client gives."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import yaml

from benchmarks.brokers.process import Broker, Kind, free_port, process, wait_for_port
from benchmarks.site import Site

_MAIN = "from amqtt.scripts.broker_script import main; main()"


@contextlib.contextmanager
def _start(site: Site) -> Iterator[Broker]:
    port, config, log = free_port(), site.root / "amqtt.yaml", site.root / "amqtt.log"
    config.write_text(yaml.safe_dump(_config(site, port)))
    with process([sys.executable, "-c", _MAIN, "-c", str(config)], log) as started:
        wait_for_port(started, port, log)
        yield Broker("amqtt", port, started.pid)


def _config(site: Site, port: int) -> dict[str, object]:
    rights = site.segmentation.rights
    listener = {
        "type": "tcp",
        "bind": f"127.0.0.1:{port}",
        "ssl": True,
        "cafile": str(site.ca),
        "certfile": str(site.broker_certificate),
        "keyfile": str(site.broker_key),
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


STOCK = Kind("amqtt", "stock amqtt, `TopicAccessControlListPlugin`", _start)
