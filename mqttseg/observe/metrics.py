"""The broker's figures under the names that Prometheus asks for.

Owns the names, their labels and their help. Refuses to know where the figures are from, and HTTP (exposition.py).
Never is a device, a client id, an address or a topic a label: their number has no bound that the operator set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mqttseg.observe.events import Kind
from mqttseg.observe.figures import Figures
from mqttseg.observe.tally import ALLOWED


class BrokerCollector(Collector):
    """Asks for the figures at every scrape. ``read`` may raise: then there is nothing to show."""

    def __init__(self, read: Callable[[], Figures]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """All metrics of the broker."""
        figures = self._read()
        yield from _state(figures)
        yield from _messages(figures)
        yield from _decisions(figures)
        yield from _events(figures)
        yield _lag(figures)


_Label = TypeVar("_Label", bound=str | int | tuple[str, ...])


def _state(figures: Figures) -> Iterator[Metric]:
    yield InfoMetricFamily("mqttseg_broker", "The broker.", {"version": figures.version})
    yield _gauge("mqttseg_start_time_seconds", "When it started (Unix time).", figures.started.timestamp())
    yield _by("mqttseg_connections", "Sessions whose device is connected.", ("segment",), figures.connections)
    yield _gauge("mqttseg_sessions", "Sessions that are kept, connected or not.", figures.backend.sessions)
    yield _gauge("mqttseg_retained_messages", "Retained messages.", figures.backend.retained)
    yield _gauge("mqttseg_queued_messages", "Messages that wait for a device.", figures.backend.queued)
    yield _gauge("mqttseg_quarantined_devices", "Devices that are out.", figures.quarantined)
    yield _gauge("mqttseg_policy_revision", "Of the policy in force; 1 at the start.", figures.revision)
    expiry = GaugeMetricFamily(
        "mqttseg_certificate_expiry_timestamp_seconds", "When it expires (Unix time).", labels=["certificate"]
    )
    expiry.add_metric(["broker"], figures.certificate_end.timestamp())
    yield expiry


def _messages(figures: Figures) -> Iterator[Metric]:
    backend = figures.backend
    if backend.received:
        yield _counted("mqttseg_messages_received", "Messages that devices published.", ("qos",), backend.received)
        yield _counted("mqttseg_messages_sent", "Messages for devices, one for each receiver.", ("qos",), backend.sent)
    if backend.dropped is not None:
        dropped = CounterMetricFamily("mqttseg_messages_dropped", "Messages lost: a queue full, a slow reader.")
        dropped.add_metric([], backend.dropped)
        yield dropped
    sizes = {key: total.bytes for key, total in figures.traffic.items()}
    labels = ("segment", "direction")
    yield _counted("mqttseg_payload_bytes", "Payloads that passed, by the device's segment.", labels, sizes)


def _decisions(figures: Figures) -> Iterator[Metric]:
    decisions = Counter(figures.decisions)
    for (_, direction), passed in figures.traffic.items():
        decisions[direction, ALLOWED, "ok"] += passed.count
    labels = ("action", "outcome", "reason")
    yield _counted("mqttseg_decisions", "What devices tried, and what was decided.", labels, decisions)


def _events(figures: Figures) -> Iterator[Metric]:
    yield _counted("mqttseg_events", "What happened, every repeat counted.", ("kind", "reason"), figures.events)
    limits = sum(count for (kind, _), count in figures.events.items() if kind == Kind.LIMIT)
    reloads: Counter[str] = Counter({"applied": 0, "refused": 0})
    for (kind, reason), count in figures.events.items():
        if kind == Kind.POLICY:
            reloads["applied" if reason == "ok" else "refused"] += count
    for name, text, value in (
        ("mqttseg_limits_reached", "Times that a limit slowed a device down or cost it messages.", limits),
        ("mqttseg_events_written", "Events that were written to state/events.db, repeats folded.", figures.events_kept),
        ("mqttseg_events_lost", "Events that could not be written.", figures.events_lost),
    ):
        counter = CounterMetricFamily(name, text)
        counter.add_metric([], value)
        yield counter
    yield _counted("mqttseg_policy_reloads", "Times that the files were loaded again.", ("outcome",), reloads)


def _lag(figures: Figures) -> Metric:
    lag = HistogramMetricFamily("mqttseg_loop_lag_seconds", "How late the event loop came to what was due.")
    lag.add_metric([], buckets=list(figures.lag.buckets()), sum_value=figures.lag.seconds)
    return lag


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by(name: str, text: str, labels: tuple[str, ...], values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _counted(name: str, text: str, labels: tuple[str, ...], values: Mapping[_Label, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    rows = [(key if isinstance(key, tuple) else (str(key),), value) for key, value in values.items()]
    for key, value in sorted(rows):
        family.add_metric(key, value)
    return family
