"""How the broker runs: mqttseg.yaml as one frozen value.

Owns the keys of the file, their defaults, and where the file is looked for. Refuses to know what the files it names
hold, and to open any of them. Relative paths in the file are relative to the file.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from mqttseg.detect_keys import DetectEntry
from mqttseg.errors import ConfigurationError, OperatorError, Problem
from mqttseg.observe.detect.settings import Settings
from mqttseg.pki.identity import IdentitySource
from mqttseg.policy.document import Document, read_document
from mqttseg.policy.fields import Count, Duration, Line, Size, misfit
from mqttseg.policy.schema import JsonSchema, Keys, as_list, json_schema
from mqttseg.policy.shape import Fitted, fit

ENVIRONMENT = "MQTTSEG_CONFIG"
PLACES = (
    Path("configs/mqttseg.yaml"),
    Path("/etc/mqttseg/mqttseg.yaml"),
    Path("/etc/mqttseg/configs/mqttseg.yaml"),  # where `mqttseg init /etc/mqttseg` puts it
)

_ENDPOINT = re.compile(r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+)(:(?P<port>[0-9]{1,5}))?/?")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_MQTTS, _METRICS = 8883, 9883
_LISTEN = ["mqtts://0.0.0.0:8883", "mqtts://[::]:8883"]


class ClientIds(StrEnum):
    """Which client ids a device may use: its own id (or ID/SUFFIX), or any, kept apart per device."""

    BOUND = "bound"
    ANY = "any"


class Durability(StrEnum):
    """When an acknowledgement is given: after the commit, before it, or without keeping anything."""

    COMMIT = "commit"
    RELAXED = "relaxed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen. ``host`` has no brackets; port 0 lets the system choose."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """Limits of rule 8 that hold for every device. Sizes in bytes, times in seconds."""

    packet: int
    connect_timeout: float
    handshake_timeout: float
    queue: int
    keep_alive_max: float
    connections_per_device: int
    write_buffer: int
    retained: int
    retained_per_device: int
    retained_bytes_per_device: int
    pending_handshakes: int
    client_subscriptions: int


@dataclass(frozen=True, slots=True)
class Audit:
    """Where the audit trail is written, and for how many seconds it is kept."""

    file: Path
    keep: float


@dataclass(frozen=True, slots=True)
class Events:
    """How many seconds events and flows are kept to be asked for, and in how many bytes."""

    keep: float
    size: int


@dataclass(frozen=True, slots=True)
class Config:
    """mqttseg.yaml, with every default filled in and every path absolute.

    ``devices`` is None when the key was left out and the default file does not exist; ``crl`` when it is off.
    """

    path: Path
    policy: Path
    devices: Path | None
    certs: Path
    state: Path
    listen: tuple[Endpoint, ...]
    identity: IdentitySource
    client_id: ClientIds
    durability: Durability
    limits: BrokerLimits
    crl: Path | None
    metrics: Endpoint | None
    audit: Audit
    events: Events
    detect: Settings

    @property
    def baselines(self) -> Path:
        """What is usual for each device, as detection learnt it."""
        return self.state / "detect.db"

    @property
    def event_store(self) -> Path:
        """What happened, for ``mqttseg events`` and the like."""
        return self.state / "events.db"

    @property
    def ca(self) -> Path:
        """The trust bundle: who may issue device certificates."""
        return self.certs / "ca.crt"

    @property
    def broker_certificate(self) -> Path:
        """The broker's certificate with its chain."""
        return self.certs / "broker.crt"

    @property
    def broker_key(self) -> Path:
        """The key of the broker's certificate."""
        return self.certs / "broker.key"


def parse_endpoint(text: str, scheme: str = "mqtts", default_port: int = _MQTTS) -> Endpoint:
    """``mqtts://HOST:PORT`` taken apart. Raises OperatorError when it is not one."""
    try:
        return _endpoint(text, scheme, default_port)
    except ValueError as error:
        raise OperatorError(f"{error}; write {scheme}://HOST:PORT") from None


def _endpoint(text: str, scheme: str, default_port: int) -> Endpoint:
    found = _ENDPOINT.fullmatch(text)
    if not found or found["scheme"] != scheme:
        raise ValueError(f"{text!r} is not a {scheme} address")
    port = int(found["port"] or default_port)
    if port > 65535:
        raise ValueError(f"{text!r} has a port above 65535")
    return Endpoint(scheme, _host(found["host"], text), port)


def _host(host: str, text: str) -> str:
    if host.startswith("["):
        return str(ipaddress.IPv6Address(host[1:-1]))
    if re.fullmatch(r"[0-9.]+", host):
        return str(ipaddress.IPv4Address(host))
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} names no host")
    return host


def _listens(text: str) -> str:
    try:
        _endpoint(text, "mqtts", _MQTTS)
    except ValueError as error:
        raise misfit(str(error), "write mqtts://0.0.0.0:8883 or mqtts://[::]:8883") from None
    return text


def _serves(text: str) -> str:
    try:
        return text if text == "off" else str(_endpoint(text, "http", _METRICS))
    except ValueError as error:
        raise misfit(str(error), "write http://127.0.0.1:9883, or off") from None


def _file_name(text: str) -> str:
    if not text or "\0" in text:
        raise misfit("names no file", "write a path, relative to this file or absolute")
    return text


FileName = Annotated[Line, AfterValidator(_file_name), WithJsonSchema({"type": "string", "minLength": 1})]
ListenText = Annotated[str, AfterValidator(_listens), WithJsonSchema({"type": "string", "pattern": "^mqtts://.+"})]
MetricsText = Annotated[
    str, AfterValidator(_serves), WithJsonSchema({"type": "string", "pattern": "^(off|http://.+)$"})
]


class IdentityEntry(Keys):
    """Where in a certificate the device id is read."""

    source: Literal["san-uri", "cn", "san-dns"] = Field(
        default="san-uri",
        alias="from",
        description="san-uri: spiffe://TRUST_DOMAIN/device/ID. The others are for fleets that have certificates.",
    )


class LimitsEntry(Keys):
    """Limits that hold for every device; those of a segment are in the policy."""

    packet: Size = Field(default=256 << 10, description="The largest MQTT packet.")
    connect_timeout: Duration = Field(default=5.0, description="From the TLS handshake to CONNECT.")
    handshake_timeout: Duration = Field(default=10.0, description="For the TLS handshake.")
    queue: Count = Field(default=1000, description="Messages kept for an offline session.")
    keep_alive_max: Duration = Field(
        default=1200.0, description="The longest keep-alive; also for devices that ask for none."
    )
    connections_per_device: Count = Field(default=10, description="Connections that one device may have at once.")
    write_buffer: Size = Field(default=1 << 20, description="Bytes that wait for a slow reader.")
    retained: Count = Field(default=10_000, description="Retained messages in all.")
    retained_per_device: Count = Field(default=2000, description="Retained messages of one device.")
    retained_bytes_per_device: Size = Field(
        default=32 << 20,
        description="Bytes of one device's retained messages, and 500 for each.",
    )
    pending_handshakes: Count = Field(default=4096, description="Connections that have not sent CONNECT yet.")
    client_subscriptions: Count = Field(
        default=1000, description="Subscriptions per session, where the segment sets no limit."
    )


class AuditEntry(Keys):
    """The audit trail."""

    file: FileName = Field(default="../state/audit.jsonl", description="JSON lines.")
    keep: Duration = Field(default=90 * 86400.0, description="How long.")


class EventsEntry(Keys):
    """Events and flows, kept to be asked for."""

    keep: Duration = Field(default=90 * 86400.0, description="How long.")
    size: Size = Field(default=1 << 30, description="In how many bytes at the most; then the oldest goes.")


class ConfigFile(Keys):
    """How the broker runs. Every key is optional; relative paths are relative to this file."""

    policy: FileName = Field(default="policy.yaml", description="Who may talk to whom.")
    devices: FileName = Field(default="devices.yaml", description="The inventory.")
    certs: FileName = Field(default="../certs", description="The trust bundle, and the broker's certificate.")
    state: FileName = Field(default="../state", description="What the running broker records.")
    listen: Annotated[
        list[ListenText],
        Field(min_length=1),
        BeforeValidator(as_list, json_schema_input_type=ListenText | list[ListenText]),
    ] = Field(
        default_factory=_LISTEN.copy, description="Where devices connect.", json_schema_extra={"default": [*_LISTEN]}
    )
    identity: IdentityEntry = Field(default_factory=IdentityEntry, description="How a certificate names its device.")
    client_id: Literal["bound", "any"] = Field(
        default="bound", description="bound: the device id, or ID/SUFFIX. any: any, apart per device."
    )
    durability: Literal["commit", "relaxed", "off"] = Field(
        default="commit",
        description="commit: what is acknowledged is on disk. relaxed: it soon will be. off: kept in memory.",
    )
    limits: LimitsEntry = Field(default_factory=LimitsEntry, description="Limits that hold for every device.")
    crl: FileName = Field(
        default="", description="Revoked certificates: by default ca.crl under certs; off: none are checked."
    )
    metrics: MetricsText = Field(default="off", description="Where Prometheus finds metrics; off: nowhere.")
    audit: AuditEntry = Field(default_factory=AuditEntry, description="The audit trail.")
    events: EventsEntry = Field(default_factory=EventsEntry, description="Events and flows, kept to be asked for.")
    detect: DetectEntry = Field(default_factory=DetectEntry, description="What is watched for, and what is done.")


def config_schema() -> JsonSchema:
    """The JSON Schema of mqttseg.yaml."""
    schema = json_schema(ConfigFile)
    return {**schema, "title": "mqttseg configuration"}


def find_config(explicit: Path | None, env: Mapping[str, str]) -> Path:
    """The configuration to use: that named, else the environment's, else the first that exists, else OperatorError."""
    if explicit is not None:
        return explicit
    if named := env.get(ENVIRONMENT):
        return Path(named)
    found = next((place for place in PLACES if place.is_file()), None)
    if found is None:
        places = " nor ".join(map(str, PLACES))
        raise OperatorError(
            f"there is no configuration at {places}; make one with `mqttseg init`, or name it with --config"
        )
    return found


def load_config(path: Path) -> Config:
    """Read mqttseg.yaml. Raises ConfigurationError with all problems."""
    return config_of(read_document(path), path)


def config_of(document: Document, path: Path) -> Config:
    """The configuration that a parsed file at ``path`` holds. Raises ConfigurationError with all problems."""
    problems = list(document.problems)
    fitted: Fitted[ConfigFile] | None = None
    if document.root is not None:
        fitted = fit(document.root, ConfigFile, {}, document.problems)
        problems += fitted.problems
    if problems or fitted is None or fitted.model is None:
        raise ConfigurationError(sorted(dict.fromkeys(problems), key=_in_file_order))
    return _config(fitted.model, path)


def _in_file_order(problem: Problem) -> tuple[int, int]:
    return problem.source.line, problem.source.column


def _config(file: ConfigFile, path: Path) -> Config:
    def placed(text: str) -> Path:
        return (path.absolute().parent / text).resolve()

    devices = placed(file.devices)
    return Config(
        path=path.absolute(),
        policy=placed(file.policy),
        devices=devices if "devices" in file.model_fields_set or devices.exists() else None,
        certs=placed(file.certs),
        state=placed(file.state),
        listen=tuple(dict.fromkeys(_endpoint(text, "mqtts", _MQTTS) for text in file.listen)),
        identity=IdentitySource(file.identity.source),
        client_id=ClientIds(file.client_id),
        durability=Durability(file.durability),
        limits=BrokerLimits(**file.limits.model_dump()),
        crl=None if file.crl == "off" else placed(file.crl) if file.crl else placed(file.certs) / "ca.crl",
        metrics=None if file.metrics == "off" else _endpoint(file.metrics, "http", _METRICS),
        audit=Audit(placed(file.audit.file), file.audit.keep),
        events=Events(file.events.keep, file.events.size),
        detect=file.detect.settings(),
    )
