"""The API over its real socket: what is asked reaches the broker once, as it was meant, or changes nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mqttseg.control import patience, server
from mqttseg.control.api import create_api
from mqttseg.control.client import Client, NoBrokerError
from mqttseg.control.endpoint import NAME, listening, user_name
from mqttseg.control.server import serving
from mqttseg.errors import ConfigurationError, MqttsegError, OperatorError, Problem, Source
from tests.control.fakes import NOW, FakeOperations

ME = user_name(os.getuid())


def _raw(state: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(state / NAME)), base_url="http://broker")


class TestAnswers:
    def test_status_comes_as_it_is(self, client: Client) -> None:
        status = client.status()
        assert (status.version, status.pid, status.started, status.policy.revision) == ("1.2.3", 42, NOW, 1)
        assert status.listening == ("mqtts://127.0.0.1:8883",)

    def test_sessions_come_page_by_page(self, client: Client) -> None:
        first = client.sessions(limit=2)
        assert ([session.client_id for session in first.sessions], first.more) == (["cam-1", "cam-1/b"], True)
        rest = client.sessions(after="cam-1/b", limit=2)
        assert ([session.client_id for session in rest.sessions], rest.more) == (["cam-2"], False)

    def test_events_come_after_a_number_page_by_page(self, client: Client) -> None:
        assert [e.id for e in client.events(after=1, limit=2, device="cam-1").events] == [2, 3]
        assert (client.events(after=1, limit=4).more, client.events(after=1, limit=3).more) == (False, True)
        event = client.events(after=4, device="cam-1").events[0].event
        assert (event.device, event.topic, str(event.reason)) == ("cam-1", "a\nb", "not-granted")

    def test_flows_come_as_they_were_kept(self, client: Client) -> None:
        flow = client.flows(device="cam-2", since="2026-11-22T12:00:00Z").flows[0]
        assert (flow.device, flow.shape, flow.count, flow.bytes) == ("cam-2", "a/+", 1, 2)

    @pytest.mark.parametrize(
        "asked",
        [
            {"device": "../x"},
            {"limit": 0},
            {"limit": 1001},
            {"after": -1},
            {"after": 1 << 63},
            {"kind": "x"},
            {"since": "noon"},
            {"since": "2026-11-22T12:00:00"},
            {"segment": "a\0b"},
        ],
    )
    def test_events_that_cannot_be_asked_for_are_told_so(self, client: Client, asked: dict[str, str | int]) -> None:
        with pytest.raises(OperatorError, match=next(iter(asked))):
            client.events(**asked)

    def test_a_device_that_is_out_is_shown_with_its_sessions(self, client: Client) -> None:
        client.quarantine("cam-1", 60, "")
        device = client.device("cam-1")
        assert device.quarantine is not None
        assert [session.client_id for session in device.sessions] == ["cam-1", "cam-1/b"]
        assert client.device("cam-99").sessions == []

    def test_who_asked_is_the_kernels_word(self, client: Client, operations: FakeOperations) -> None:
        client.quarantine("cam-7", 3600, "stolen")
        client.release("cam-7", "found")
        client.apply_policy(dry_run=True)
        assert operations.asked == [
            ("quarantine", "cam-7", 3600.0, ME, "stolen"),
            ("release", "cam-7", ME, "found"),
            ("apply", ME, True),
        ]

    def test_what_did_not_go_with_it_is_told(self, client: Client) -> None:
        outcome = client.quarantine("cam-7", None, "")
        assert (outcome.done.connections, outcome.done.trouble) == (2, ("the gateway did not answer",))
        assert outcome.quarantine.until is None
        assert client.quarantines().quarantines == [outcome.quarantine]

    def test_applying_says_what_changed(self, client: Client) -> None:
        applied = client.apply_policy()
        assert (applied.revision, applied.connections, applied.subscriptions) == (2, 1, 3)
        assert applied.changes == ["cam-1 loses publish cameras/door"]

    def test_refreshing_revocations_says_who_was_cut(self, client: Client, operations: FakeOperations) -> None:
        assert client.refresh_revocations("cam-7", "key-compromise").connections == 4
        assert operations.asked == [("revoked", "cam-7", ME, "key-compromise")]


class TestErrors:
    def test_a_bad_policy_is_the_error_it_would_be_without_a_broker(
        self, client: Client, operations: FakeOperations
    ) -> None:
        problem = Problem(Source("policy.yaml", 3, 7), "unknown key 'x'", "remove it")
        operations.fails = ConfigurationError([problem])
        with pytest.raises(ConfigurationError) as caught:
            client.apply_policy()
        assert caught.value.problems == (problem,)
        assert caught.value.exit_code == 3

    def test_releasing_who_is_not_out_is_refused(self, client: Client) -> None:
        with pytest.raises(OperatorError, match="cam-7 is not in quarantine"):
            client.release("cam-7", "")

    def test_what_cannot_be_done_is_told_in_words(self, client: Client, operations: FakeOperations) -> None:
        operations.fails = OperatorError("the disk is full; make room")
        with pytest.raises(OperatorError, match="the disk is full; make room"):
            client.quarantine("cam-7", None, "")

    def test_a_broker_that_has_not_started_says_so(self, client: Client, operations: FakeOperations) -> None:
        operations.fails = MqttsegError("the broker has not started yet")
        with pytest.raises(OperatorError, match="not started yet"):
            client.status()

    def test_no_broker_is_its_own_error(self, state: Path) -> None:
        with Client(state) as client, pytest.raises(NoBrokerError, match="no broker of this site"):
            client.status()

    def test_a_dead_brokers_socket_is_no_broker(self, state: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(state / NAME))
        with Client(state) as client, pytest.raises(NoBrokerError):
            client.status()

    @pytest.mark.parametrize(
        "device", ["..", "a%2Fb", "%2e%2e%2fstate", "cam%00", "cam%0a", "+", "%23", "$SYS", "x" * 65, "%C3%A9"]
    )
    def test_path_tricks_in_device_ids_reach_nothing(
        self, client: Client, state: Path, operations: FakeOperations, device: str
    ) -> None:
        with _raw(state) as raw:
            answer = raw.put(f"/v1/devices/{device}/quarantine", json={})
            assert answer.status_code in {404, 422}
            assert answer.json()["code"] in {"not-found", "invalid-request"}
        assert operations.asked == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b'{"seconds": "60"}',
            b'{"seconds": 0}',
            b'{"seconds": -1}',
            b'{"seconds": 1e999}',
            b'{"seconds": NaN}',
            b'{"seconds": true}',
            b'{"why": "two\\nlines"}',
            b'{"why": null}',
            b'{"whom": "x"}',
            b'{"why": "\xff"}',
            b"[" * 30_000,
        ],
    )
    def test_bad_bodies_change_nothing_and_are_told(
        self, client: Client, state: Path, operations: FakeOperations, body: bytes
    ) -> None:
        with _raw(state) as raw:
            answer = raw.put("/v1/devices/cam-7/quarantine", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 422}
        assert answer.json()["message"]
        assert operations.asked == []

    def test_a_reason_that_is_not_printable_is_refused_by_the_broker(self, client: Client) -> None:
        with pytest.raises(OperatorError, match="one line"):
            client.quarantine("cam-7", None, "zero\u200bwidth")

    def test_an_unknown_path_and_method_say_so(self, client: Client, state: Path) -> None:
        with _raw(state) as raw:
            assert raw.get("/v2/status").json()["code"] == "not-found"
            assert raw.delete("/v1/status").status_code == 405
            assert raw.get("/docs").status_code == 404


class TestWhatARequestMayCost:
    def test_an_oversized_body_is_refused(self, client: Client, state: Path, operations: FakeOperations) -> None:
        with _raw(state) as raw:
            answer = raw.post("/v1/policy/apply", content=b" " * (patience.BODY + 1))
        assert (answer.status_code, answer.json()["code"]) == (413, "invalid-request")
        assert operations.asked == []

    def test_an_oversized_body_without_an_announced_length_is_refused(self, client: Client, state: Path) -> None:
        with _raw(state) as raw:
            answer = raw.post("/v1/policy/apply", content=(b" " * 1024 for _ in range(65)))
        assert answer.status_code == 413

    def test_an_oversized_head_is_refused(self, client: Client, state: Path) -> None:
        with _connected(state) as peer:
            peer.sendall(b"GET /v1/status HTTP/1.1\r\nhost: x\r\nx: " + b"x" * server.REQUEST_HEAD)
            assert peer.recv(1000).startswith(b"HTTP/1.1 400")

    def test_a_slow_body_is_given_up_and_others_are_served(
        self, state: Path, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(patience, "SECONDS", 0.05)
        with _served(state, operations) as client, _connected(state) as slow:
            slow.sendall(b"POST /v1/policy/apply HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{")
            assert client.status().pid == 42
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")
        assert operations.asked == []

    def test_a_peer_that_says_nothing_is_cut(
        self, state: Path, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "FIRST_REQUEST", 0.05)
        with _served(state, operations), _connected(state) as silent:
            silent.sendall(b"GET /v1/sta")
            assert _reads_end(silent)

    def test_more_peers_than_are_served_are_told_so(self, client: Client, state: Path) -> None:
        peers = [_connected(state) for _ in range(server.CONNECTIONS)]
        try:
            peers[-1].sendall(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b" 503 " in peers[-1].recv(1000)
        finally:
            for peer in peers:
                peer.close()


@contextlib.contextmanager
def _served(state: Path, operations: FakeOperations) -> Iterator[Client]:
    """As the fixture, begun when the test has set it up."""
    with listening(state) as bound, serving(create_api(operations), bound), Client(state) as connected:
        yield connected


def _connected(state: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(20)
    peer.connect(str(state / NAME))
    return peer


def _reads_end(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True
