"""The shape of policy.yaml and devices.yaml: which keys there are, and which kind of value each holds.

Owns the keys, once: the same models check a file and generate the JSON Schemas in configs/. Refuses to know files,
places and messages (shape.py), and whether the values make sense together (semantics.py). ``model_fields_set`` tells a
key that was left out from one that was written: leaving out both lists of rights means the whole namespace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import GenerateJsonSchema

from mqttseg.policy.fields import (
    Address,
    Attempt,
    Count,
    Destination,
    DeviceId,
    EndName,
    Filter,
    Interface,
    LabelKey,
    Line,
    Mac,
    MemberText,
    Moment,
    Name,
    Port,
    Prefix,
    PublishFilter,
    Rate,
    Size,
    SubscribeFilter,
    TrustDomain,
    misfit,
)

JsonSchema = dict[str, Any]  # JSON Schema is JSON: the one place where its values have no narrower type


class Keys(BaseModel):
    """A mapping with known keys and nothing else. Types are never converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def as_list(value: object) -> object:
    """One value stands for a list of one."""
    return [value] if isinstance(value, str | int) else value


Ports = Annotated[list[Port], BeforeValidator(as_list, json_schema_input_type=Port | list[Port])]
Prefixes = Annotated[
    list[Prefix], Field(min_length=1), BeforeValidator(as_list, json_schema_input_type=Prefix | list[Prefix])
]


class LimitsEntry(Keys):
    """Limits for each device of the segment. Left out: unlimited."""

    messages_per_second: Rate | None = Field(
        default=None, description="Messages that a device may publish per second, on average."
    )
    burst: Count | None = Field(default=None, description="Messages that it may publish at once.")
    payload: Size | None = Field(default=None, description="The largest payload it may publish.")
    subscriptions: Count | None = Field(default=None, description="Subscriptions that it may hold.")


class DestinationEntry(Keys):
    """A destination that devices may reach besides the broker."""

    to: Destination = Field(description="An address or a network.")
    tcp: Ports = Field(default_factory=list, description="TCP ports.")
    udp: Ports = Field(default_factory=list, description="UDP ports.")

    @model_validator(mode="after")
    def _has_ports(self) -> DestinationEntry:
        if not self.tcp and not self.udp:
            raise misfit("names no port", "add tcp: PORT or udp: PORT")
        return self


def _kind_of_allowed(value: object) -> str | None:
    return "by-name" if isinstance(value, str) else "by-address" if isinstance(value, Mapping) else None


Allowed = Annotated[
    Annotated[Name, Tag("by-name")] | Annotated[DestinationEntry, Tag("by-address")], Discriminator(_kind_of_allowed)
]


class AllowEntry(Keys):
    """What devices may reach on the network besides the broker; the gateway enforces it."""

    allow: list[Allowed] = Field(
        default_factory=list, description="Names of services (dns, ntp, or of network.services), or destinations."
    )


class RoleEntry(Keys):
    """A set of rights inside a segment. Leave out publish and subscribe to grant the whole namespace."""

    members: list[MemberText] = Field(
        default_factory=list, description="Device ids or globs; an exact id beats a glob."
    )
    publish: list[PublishFilter] = Field(default_factory=list, description="What members may publish to.")
    subscribe: list[SubscribeFilter] = Field(
        default_factory=list, description="What they may subscribe to and receive."
    )
    deny: list[Filter] = Field(default_factory=list, description="Beats every grant, in both directions.")


class SegmentEntry(RoleEntry):
    """A zone. It owns a namespace of topics; its members live inside it."""

    description: Line = Field(default="", description="For the reader.")
    namespace: Prefixes = Field(
        default_factory=list,
        description="The topic prefixes that the segment owns, by default its name. ${device} stands for any member.",
    )
    roles: dict[Name, RoleEntry] = Field(default_factory=dict, description="Members with rights of their own.")
    mode: Literal["enforce", "observe"] | None = Field(default=None, description="By default the policy's.")
    subscriptions: Literal["exact", "narrow"] = Field(
        default="exact", description="narrow: accept a filter that is too wide, and deliver only what is allowed."
    )
    on_denied: Literal["acknowledge", "disconnect"] = Field(
        default="acknowledge", description="What a device gets for a publish outside its rights."
    )
    limits: LimitsEntry = Field(default_factory=LimitsEntry, description="Limits for each of its devices.")
    network: AllowEntry = Field(default_factory=AllowEntry, description="The gateway's half of the segment.")


class ConduitEntry(Keys):
    """A named, one-way message flow from one segment to another."""

    origin: EndName = Field(alias="from", description="The segment, or SEGMENT/ROLE, whose messages flow.")
    target: EndName = Field(alias="to", description="The segment, or SEGMENT/ROLE, that gets them.")
    topics: list[PublishFilter] = Field(
        min_length=1, description="What flows: filters inside the namespace of one of the two segments."
    )
    until: Moment | None = Field(default=None, description="When it closes by itself.")
    mode: Literal["enforce", "observe"] | None = Field(
        default=None, description="By default that of the segment which gains the right."
    )
    network: AllowEntry = Field(default_factory=AllowEntry, description="What from may reach of to on the network.")
    description: Line = Field(default="", description="For the reader.")


class BrokerEntry(Keys):
    """Where the broker is, as the devices see it."""

    addresses: list[Address] = Field(min_length=1, description="Its addresses.")
    ports: list[Port] = Field(
        default_factory=lambda: [8883], min_length=1, description="Its ports.", json_schema_extra={"default": [8883]}
    )


class NetworkEntry(Keys):
    """The gateway's half of the policy."""

    interfaces: list[Interface] = Field(default_factory=list, description="The gateway's IoT-facing interfaces.")
    ports: list[Interface] = Field(
        default_factory=list,
        description="Bridge or switch ports that face devices, besides those that devices.yaml names.",
    )
    subnets: dict[Interface, list[Destination]] = Field(
        default_factory=dict,
        description="The subnets behind an interface: an address outside them is an error. By default unchecked.",
    )
    broker: BrokerEntry | None = Field(default=None, description="Where the broker is.")
    services: dict[Name, list[Address]] = Field(
        default_factory=dict, description="Where named services live; by default on the gateway itself."
    )
    admin: list[Destination] = Field(
        default_factory=list, description="Hosts and networks that may open connections to devices."
    )


class IsolatedTest(Keys):
    """No message can flow between any two of these segments, conduits included."""

    isolated: list[Name] = Field(min_length=2, description="Segments.")


class DeviceTest(Keys):
    """What one device must be able to do, and must not."""

    device: DeviceId = Field(description="A device id; it need not exist.")
    can: list[Attempt] = Field(default_factory=list, description="Must be allowed.")
    cannot: list[Attempt] = Field(default_factory=list, description="Must be denied.")

    @model_validator(mode="after")
    def _tries_something(self) -> DeviceTest:
        if not self.can and not self.cannot:
            raise misfit("tests nothing", "add can: or cannot: with at least one attempt")
        return self


def _kind_of_test(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return "isolated-test" if "isolated" in value else "device-test"


Test = Annotated[
    Annotated[IsolatedTest, Tag("isolated-test")] | Annotated[DeviceTest, Tag("device-test")],
    Discriminator(_kind_of_test),
]


class PolicyFile(Keys):
    """Segments, conduits and tests: who may talk to whom."""

    model_config = ConfigDict(title="mqttseg policy")

    version: Literal[1] = Field(description="Of this language.")
    trust_domain: TrustDomain = Field(description="Devices are spiffe://TRUST_DOMAIN/device/ID in their certificates.")
    mode: Literal["enforce", "observe"] = Field(
        default="enforce", description="observe: decide and record, but let through."
    )
    segments: dict[Name, SegmentEntry] = Field(min_length=1, description="The zones, by name.")
    conduits: dict[Name, ConduitEntry] = Field(default_factory=dict, description="What may cross, by name.")
    network: NetworkEntry | None = Field(default=None, description="The gateway's half.")
    tests: list[Test] = Field(default_factory=list, description="What must hold, or the policy is refused.")


def _kind_of_addresses(value: object) -> str | None:
    return "word" if isinstance(value, str) else "list" if isinstance(value, list) else None


Addresses = Annotated[
    Annotated[list[Address], Tag("list")] | Annotated[Literal["learned"], Tag("word")],
    Discriminator(_kind_of_addresses),
]


class DeviceEntry(Keys):
    """One known device. It needs no entry to connect: its certificate and a segment's members suffice."""

    segment: Name | None = Field(default=None, description="Overrides the members lists of the policy.")
    role: Name | None = Field(default=None, description="Its role in the segment; overrides likewise.")
    interface: Interface | None = Field(default=None, description="Where the gateway sees it.")
    port: Interface | None = Field(default=None, description="Its switch or bridge port.")
    mac: Mac | None = Field(default=None, description="Its MAC address.")
    addresses: Addresses = Field(default_factory=list, description="Its addresses, or learned: from the network.")
    model: Line | None = Field(default=None, description="What it is.")
    firmware: Line | None = Field(default=None, description="The version it runs.")
    labels: dict[LabelKey, Line] = Field(default_factory=dict, description="Whatever else the operator wants to know.")


class DevicesFile(Keys):
    """The inventory: one entry per known device."""

    model_config = ConfigDict(title="mqttseg devices")

    version: Literal[1] = Field(description="Of this format.")
    devices: dict[DeviceId, DeviceEntry] = Field(default_factory=dict, description="The devices, by id.")


class _Untitled(GenerateJsonSchema):
    """Without a title on every key: the descriptions say more."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


def json_schema(model: type[Keys]) -> JsonSchema:
    """The JSON Schema 2020-12 of one file, with ``additionalProperties: false`` throughout."""
    schema = model.model_json_schema(schema_generator=_Untitled)
    _close(schema)
    return {"$schema": _Untitled.schema_dialect, **schema}


def _close(schema: object) -> None:
    """Say what pydantic leaves unsaid: names outside the pattern are errors, and null is never a value (shape.py)."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
            schema.pop("propertyNames", None)
        if schema.get("default", ...) is None:
            del schema["default"]
        _drop_null(schema)
    for child in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _close(child)


def _drop_null(schema: JsonSchema) -> None:
    choices = schema.get("anyOf", ())
    if {"type": "null"} in choices:
        one, _ = choices  # pydantic writes "X or null" so
        del schema["anyOf"]
        schema.update({**one, **schema})


def schema_text(schema: JsonSchema) -> str:
    """A schema as the text that is shipped: stable, with a newline at the end."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def policy_schema() -> JsonSchema:
    """The JSON Schema of policy.yaml."""
    return json_schema(PolicyFile)


def devices_schema() -> JsonSchema:
    """The JSON Schema of devices.yaml."""
    return json_schema(DevicesFile)
