"""Command lines with which a device can be tried by hand: of mosquitto's clients, and of paho in a line of Python.

Takes values, gives text that a shell takes as it is. Refuses to know policy, configuration and what is installed.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device needs to connect: where the broker is, whom to trust, and as whom."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    client_id: str


def mosquitto_pub(who: Credentials, topic: str, message: str) -> str:
    """Publish with mosquitto_pub."""
    return _mosquitto("mosquitto_pub", who, "-t", topic, "-m", message)


def mosquitto_sub(who: Credentials, topic_filter: str) -> str:
    """Subscribe with mosquitto_sub, showing topics."""
    return _mosquitto("mosquitto_sub", who, "-t", topic_filter, "-v")


def paho_pub(who: Credentials, topic: str, message: str) -> str:
    """Publish with paho, which is installed wherever mqttseg is."""
    call = f"publish.single({topic!r}, {message!r}, qos=1, {_paho_options(who)})"
    return _python(f"from paho.mqtt import publish; {call}")


def paho_sub(who: Credentials, topic_filter: str) -> str:
    """Subscribe with paho, showing topics."""
    told = "lambda client, data, m: print(m.topic, m.payload.decode(), flush=True)"
    return _python(
        f"from paho.mqtt import subscribe; subscribe.callback({told}, {topic_filter!r}, {_paho_options(who)})"
    )


def _mosquitto(program: str, who: Credentials, *options: str) -> str:
    files = ("--cafile", str(who.ca), "--cert", str(who.certificate), "--key", str(who.key))
    return shlex.join((program, "-h", who.host, "-p", str(who.port), *files, "-i", who.client_id, *options))


def _paho_options(who: Credentials) -> str:
    tls = {"ca_certs": str(who.ca), "certfile": str(who.certificate), "keyfile": str(who.key)}
    return f"hostname={who.host!r}, port={who.port}, client_id={who.client_id!r}, tls={tls!r}"


def _python(code: str) -> str:
    return shlex.join((sys.executable, "-c", code))
