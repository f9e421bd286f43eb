"""How a device can be tried: the mosquitto_pub line that works for it as is, and who would receive that message.

Owns the choice of topic, host and receiver. Refuses to know what is allowed: the policy is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mqttseg.cli.site import broker_names, near
from mqttseg.clients import Credentials, mosquitto_pub, mosquitto_sub
from mqttseg.config import Config
from mqttseg.pki.authority import Authority
from mqttseg.pki.records import Record
from mqttseg.policy.check import explain
from mqttseg.policy.compiled import Compiled
from mqttseg.policy.decide import decide
from mqttseg.policy.model import Action
from mqttseg.policy.pattern import DEVICE
from mqttseg.policy.topics import filter_problem, witness

_ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not bound
_MESSAGE = "hello"  # also the last level of the topic, where the policy leaves it open
_NAMES_TRIED = 20
_DEFAULT_PORT = 8883


@dataclass(frozen=True, slots=True)
class Trial:
    """Lines to type: ``publish`` as the device, ``subscribe`` as ``receiver``, first."""

    publish: str | None
    subscribe: str | None
    receiver: str | None


def trial_of(
    config: Config, authority: Authority, compiled: Compiled, record: Record, valid: Iterable[Record]
) -> Trial:
    """What to type to try the device of this record; ``valid``: the certificates in force."""
    others = [item for item in valid if item.name != record.name]
    credentials = _credentials(config, authority, record)
    found = _conversation(compiled, record, others)
    if found is None:
        own = next(_granted(compiled, record.name, Action.SUBSCRIBE), None)
        return Trial(None, None if own is None else mosquitto_sub(credentials, own), record.name)
    topic, receiver = found
    publish = mosquitto_pub(credentials, topic, _MESSAGE)
    if receiver is None:
        return Trial(publish, None, None)
    listening = _credentials(config, authority, receiver)
    if receiver is record:  # two sessions of one device: with the same client id, one would end the other
        listening = replace(listening, client_id=f"{record.name}/sub")
    return Trial(publish, mosquitto_sub(listening, topic), receiver.name)


def _conversation(compiled: Compiled, sender: Record, others: Sequence[Record]) -> tuple[str, Record | None] | None:
    """A topic that the device may publish to and who may receive it: if possible another device, else itself."""
    names = [item.name for item in others[:_NAMES_TRIED]]
    topics = list(dict.fromkeys(_topics(compiled, sender.name, names)))
    for receivers in (others, [sender]):
        for topic in topics:
            receiver = next((item for item in receivers if _may(compiled, item.name, Action.SUBSCRIBE, topic)), None)
            if receiver is not None:
                return topic, receiver
    return (topics[0], None) if topics else None


def _topics(compiled: Compiled, device_id: str, others: Sequence[str]) -> Iterator[str]:
    """Topics that the device may publish to. Where a grant says ``+``, other devices' ids come first."""
    for granted in _granted(compiled, device_id, Action.PUBLISH):
        longer = f"{granted[:-1]}{_MESSAGE}" if granted.endswith("#") else granted
        for candidate in (*(longer.replace("+", name) for name in others if "+" in longer), longer, granted):
            topic = witness(candidate)
            if _may(compiled, device_id, Action.PUBLISH, topic):
                yield topic


def _granted(compiled: Compiled, device_id: str, action: Action) -> Iterator[str]:
    """Filters that the policy grants the device for this action."""
    asked = explain(compiled, device_id, action, _MESSAGE)
    if asked.decision.allowed:
        yield _MESSAGE
    for grant in asked.nearest:
        granted = grant.filter.replace(DEVICE, device_id)
        if filter_problem(granted) is None and (action is Action.PUBLISH or _may(compiled, device_id, action, granted)):
            yield granted


def _may(compiled: Compiled, device_id: str, action: Action, topic: str) -> bool:
    return decide(compiled.rights(device_id), action, topic).allowed


def _credentials(config: Config, authority: Authority, record: Record) -> Credentials:
    host, port = broker_endpoint(config)
    directory = authority.certs / record.directory
    return Credentials(
        host=host,
        port=port,
        ca=near(config.ca),
        certificate=near(directory / f"{record.name}.crt"),
        key=near(directory / f"{record.name}.key"),
        client_id=record.name,
    )


def broker_endpoint(config: Config) -> tuple[str, int]:
    """Where a client on this machine finds the broker, by a name that its certificate bears."""
    names = broker_names(config.broker_certificate)
    for address in config.listen:
        if address.host in names and address.host not in _ANYWHERE:
            return address.host, address.port
    port = config.listen[0].port if config.listen else _DEFAULT_PORT
    return ("localhost" if "localhost" in names or not names else names[0]), port
