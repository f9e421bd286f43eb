"""The broker's figures as Prometheus reads them: their names, their labels, and what serving them may cost."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mqttseg.errors import OperatorError, Reason
from mqttseg.observe.events import Event, Kind
from mqttseg.observe.exposition import REQUESTS, MetricsServer
from mqttseg.observe.figures import BackendFigures, Figures, Sum
from mqttseg.observe.lag import BOUNDS, Lag
from mqttseg.observe.metrics import BrokerCollector
from mqttseg.observe.tally import Tally

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "mqttseg.json"
MONITOR = Path(__file__).parents[2] / "docs" / "how-to" / "monitor.md"

LABELS = {"action", "outcome", "reason", "kind", "segment", "direction", "qos", "le", "version", "certificate"}
"""Each has few values, and all of them are the broker's or the operator's own words."""


def figures() -> Figures:
    tally = Tally()
    tally(Event(Kind.CONNECT, Reason.OK, device="thermo-1"))
    tally(Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device="cam-1", action="publish", topic="hvac/x", count=3))
    tally(Event(Kind.DENY, Reason.NOT_GRANTED, device="cam-1", action="publish", topic="c", observed=True))
    tally(Event(Kind.REFUSE, Reason.CERTIFICATE_MISSING, action="connect"))
    tally(Event(Kind.POLICY, Reason.INVALID_CONFIGURATION))
    tally(Event(Kind.POLICY, Reason.OK))
    tally(Event(Kind.LIMIT, Reason.RATE_LIMIT, device="cam-1", count=5))
    lag = Lag()
    for late in (0.0001, 0.003, 2.0):
        lag.add(late)
    return Figures(
        version="1.2.3",
        started=NOW,
        backend=BackendFigures(4, 5, 6, dropped=7, received={0: 10, 1: 2, 2: 1}, sent={0: 20, 1: 4, 2: 2}),
        connections={"hvac": 2, "cameras": 0},
        events=tally.events,
        decisions=tally.decisions,
        traffic={("hvac", "publish"): Sum(12, 340), ("hvac", "receive"): Sum(1, 20)},
        events_kept=8,
        events_lost=9,
        quarantined=1,
        revision=3,
        certificate_end=NOW,
        lag=lag,
    )


def scraped(made: Figures) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    registry = CollectorRegistry()
    registry.register(BrokerCollector(lambda: made))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(name: str, **labels: str) -> float:
    return scraped(figures())[name, tuple(sorted(labels.items()))]


@pytest.mark.parametrize(
    ("action", "outcome", "reason", "count"),
    [
        ("connect", "allowed", "ok", 1),
        ("connect", "denied", "certificate-missing", 1),
        ("publish", "allowed", "ok", 12),
        ("publish", "denied", "outside-segment", 3),
        ("publish", "observed", "not-granted", 1),
        ("receive", "allowed", "ok", 1),
    ],
)
def test_decisions_are_counted_by_action_outcome_and_reason(
    action: str, outcome: str, reason: str, count: float
) -> None:
    assert value("mqttseg_decisions_total", action=action, outcome=outcome, reason=reason) == count


def test_messages_are_counted_by_qos() -> None:
    assert [value("mqttseg_messages_received_total", qos=qos) for qos in "012"] == [10, 2, 1]
    assert [value("mqttseg_messages_sent_total", qos=qos) for qos in "012"] == [20, 4, 2]


def test_state_and_losses_are_there() -> None:
    assert value("mqttseg_connections", segment="hvac") == 2
    assert value("mqttseg_connections", segment="cameras") == 0
    plain = {name: found for (name, labels), found in scraped(figures()).items() if not labels}
    assert plain["mqttseg_sessions"] == 4
    assert plain["mqttseg_retained_messages"] == 5
    assert plain["mqttseg_queued_messages"] == 6
    assert plain["mqttseg_messages_dropped_total"] == 7
    assert plain["mqttseg_events_written_total"] == 8
    assert plain["mqttseg_events_lost_total"] == 9
    assert plain["mqttseg_limits_reached_total"] == 5
    assert plain["mqttseg_quarantined_devices"] == 1
    assert plain["mqttseg_policy_revision"] == 3
    assert value("mqttseg_policy_reloads_total", outcome="refused") == 1
    assert value("mqttseg_policy_reloads_total", outcome="applied") == 1
    assert value("mqttseg_payload_bytes_total", segment="hvac", direction="publish") == 340
    assert value("mqttseg_certificate_expiry_timestamp_seconds", certificate="broker") == NOW.timestamp()


def test_lateness_of_the_loop_is_a_histogram() -> None:
    assert value("mqttseg_loop_lag_seconds_bucket", le="0.001") == 1
    assert value("mqttseg_loop_lag_seconds_bucket", le="0.005") == 2
    assert value("mqttseg_loop_lag_seconds_bucket", le=str(BOUNDS[-1])) == 2
    assert value("mqttseg_loop_lag_seconds_bucket", le="+Inf") == 3
    assert value("mqttseg_loop_lag_seconds_sum") == pytest.approx(2.0031)


def test_no_device_and_no_topic_is_ever_a_label() -> None:
    for name, labels in scraped(figures()):
        assert {label for label, _ in labels} <= LABELS, name
        assert not {text for _, text in labels} & {"thermo-1", "cam-1", "hvac/x", "c"}, name


def test_flood_of_made_up_topics_makes_no_new_series() -> None:
    tally = Tally()
    for number in range(1000):
        device, topic = f"cam-{number}", f"hvac/{number}"
        tally(Event(Kind.DENY, Reason.OUTSIDE_SEGMENT, device=device, action="publish", topic=topic))
    assert list(tally.decisions.items()) == [(("publish", "denied", "outside-segment"), 1000)]
    assert list(tally.events.items()) == [(("deny", "outside-segment"), 1000)]


def test_what_is_counted_is_also_handed_on() -> None:
    tally, told = Tally(), list[Event]()
    event = Event(Kind.WILL, Reason.OK)
    tally.before(told.append)(event)
    assert told == [event]
    assert tally.decisions == {("will", "allowed", "ok"): 1}


def names_used(text: str) -> set[str]:
    return set(re.findall(r"\b(?:mqttseg|process)_[a-z_]+", text))


def names_served() -> set[str]:
    process = {"process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_resident_memory_bytes"}
    return {name for name, _ in scraped(figures())} | process


def test_every_metric_of_the_dashboard_exists() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    used = {name for panel in panels for target in panel["targets"] for name in names_used(target["expr"])}
    assert used <= names_served()
    assert len(used) > 15


def test_every_query_of_the_dashboard_follows_its_variables() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            assert names_used(target["expr"])
            assert target["expr"].count('job=~"$job",instance=~"$instance"') == len(
                re.findall(r"\b(?:mqttseg|process)_[a-z_]+\{", target["expr"])
            )


def test_every_metric_has_its_row_in_the_documentation() -> None:
    rows = set(re.findall(r"^\| `(mqttseg_[a-z_]+)", MONITOR.read_text(), re.MULTILINE))
    served = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names_served() if name.startswith("mqttseg_")}
    assert rows == served


# Serving


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer("127.0.0.1", 0, BrokerCollector(figures))
    made.start()
    yield made
    made.close()


def get(port: int, path: str = "/metrics", host: str = "127.0.0.1") -> tuple[int, str]:
    with closing(http.client.HTTPConnection(host, port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_metrics_are_served(server: MetricsServer) -> None:
    status, text = get(server.port)
    assert status == 200
    assert 'mqttseg_connections{segment="hvac"} 2.0' in text
    assert "process_cpu_seconds_total" in text


def test_metrics_are_served_on_ipv6() -> None:
    made = MetricsServer("::1", 0, BrokerCollector(figures))
    made.start()
    try:
        assert get(made.port, host="::1")[0] == 200
    finally:
        made.close()


def test_a_broker_that_does_not_answer_is_an_answer() -> None:
    def read() -> Figures:
        raise TimeoutError

    made = MetricsServer("localhost", 0, BrokerCollector(read))
    made.start()
    try:
        assert get(made.port) == (503, "the broker did not answer: TimeoutError\n")
    finally:
        made.close()


def test_silent_connections_do_not_pile_up(server: MetricsServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(REQUESTS)]
    try:
        before = threading.active_count()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as one_more:
            assert one_more.recv(1) == b""  # hung up on
        assert threading.active_count() <= before + REQUESTS
    finally:
        for connection in silent:
            connection.close()


def test_an_address_that_is_in_use_is_an_error_that_says_so(server: MetricsServer) -> None:
    with pytest.raises(OperatorError, match=rf"127\.0\.0\.1:{server.port}: .*; free the port, or write another"):
        MetricsServer("127.0.0.1", server.port, BrokerCollector(figures))


def test_a_name_that_leads_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(OperatorError, match="'gateway' is not this machine's loopback"):
        MetricsServer("gateway", 0, BrokerCollector(figures))


def test_an_address_elsewhere_that_is_written_in_digits_is_served_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = MetricsServer("0.0.0.0", 0, BrokerCollector(figures))
    made.close()
    assert "metrics are served on 0.0.0.0: whoever reaches that address reads them" in caplog.text
