"""The whole API over its real socket, in front of a real broker with a real device: each path, once and in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from mqttseg.broker.operations import LiveOperations
from mqttseg.control.api import create_api, describe
from mqttseg.control.client import Client
from mqttseg.control.endpoint import listening
from mqttseg.control.server import serving
from mqttseg.errors import ConfigurationError
from mqttseg.observe.events import Event
from tests.support.brokers import PATIENCE
from tests.support.clients import RawClient
from tests.support.sites import POLICY
from tests.support.stages import Stage


@pytest.fixture
def stage(state: Path) -> Iterator[Stage]:
    with Stage(state) as running:
        broker = running.broker
        kept, record = broker.plugin._outlets, broker.guard.report

        def tell(event: Event) -> None:
            record(event)
            kept(event)

        broker.do(lambda: setattr(broker.guard, "report", tell))
        yield running


@pytest.fixture
def asked() -> set[tuple[str, str]]:
    """Method and path of every request that was answered."""
    return set()


@pytest.fixture
def client(stage: Stage, asked: set[tuple[str, str]]) -> Iterator[Client]:
    """A client of the API of the stage's broker."""
    broker = stage.broker
    operations = broker.do(lambda: LiveOperations(broker.plugin.service, broker.broker.backend, broker.plugin.busiest))
    directory = broker.plugin.service.site.config.state
    with ExitStack() as stack:
        bound = stack.enter_context(listening(directory))
        stack.enter_context(serving(create_api(operations), bound))
        connected = stack.enter_context(Client(directory))

        def note(answer: httpx.Response) -> None:
            asked.add((answer.request.method.lower(), answer.request.url.path.replace("cam-1", "{device}")))

        connected._http.event_hooks["response"].append(note)
        yield connected


def test_every_path_of_the_description_does_what_it_says(
    stage: Stage, client: Client, asked: set[tuple[str, str]]
) -> None:
    device = stage.listener("cam-1", "cameras/#")
    stage.join("etl-1").subscribe("hvac/+/telemetry/#")
    assert (client.status().connected, client.status().policy.revision) == (2, 1)
    assert [session.client_id for session in client.sessions(limit=1).sessions] == ["cam-1"]
    assert client.device("cam-1").sessions[0].segment == "cameras"

    device.publish("hvac/foreign", b"x", qos=1)
    device.publish("cameras/door", b"open", qos=1)
    service = stage.broker.plugin.service
    stage.broker.do(lambda: service._harvest.once(service.guard))
    _wait_until_kept(client)
    told = client.events(device="cam-1", denied=True, limit=1)
    assert [(e.event.topic, str(e.event.reason)) for e in told.events] == [("hvac/foreign", "outside-segment")]
    assert client.events(after=told.events[-1].id).events == []
    assert [flow.example for flow in client.flows(device="cam-1", direction="publish").flows] == ["cameras/door"]

    closed = POLICY[: POLICY.index("conduits:")]
    stage.site.write_policy(closed)
    assert client.apply_policy(dry_run=True).revision == 1
    applied = client.apply_policy()
    assert (applied.revision, applied.subscriptions, applied.connections) == (2, 1, 0)
    assert any("telemetry" in line for line in applied.changes)
    stage.site.write_policy("segments: [")
    with pytest.raises(ConfigurationError):
        client.apply_policy()
    assert client.status().policy.revision == 2

    put_out = client.quarantine("cam-1", 3600, "stolen")
    device.expect_end()
    assert (put_out.quarantine.why, put_out.done.connections, put_out.done.trouble) == ("stolen", 1, ())
    assert [entry.device for entry in client.quarantines().quarantines] == ["cam-1"]
    assert client.release("cam-1", "found").quarantine.device == "cam-1"
    with RawClient(stage.site.tls("cam-1"), stage.broker.port) as again:
        assert again.connect("cam-1").code == 0
        stage.site.authority.revoke("cam-1")
        assert client.refresh_revocations("cam-1", "lost").trouble == ()
        again.expect_end()  # at the latest: the broker watches the list by itself, too

    described = {(method, path) for path, methods in describe()["paths"].items() for method in methods}
    assert asked == described


def _wait_until_kept(client: Client) -> None:
    """The recorder writes beside the loop."""
    deadline = time.monotonic() + PATIENCE
    while not (client.events(device="cam-1", denied=True).events and client.flows(device="cam-1").flows):
        assert time.monotonic() < deadline
