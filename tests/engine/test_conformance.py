"""The table of conformance is complete for the engine, and says what the tests say."""

from __future__ import annotations

import pytest

from mqttseg.engine.statistics import system_topics
from tests.engine.conformance import PAGE, ROOT, page, shown
from tests.engine.engine_harness import Site
from tests.engine.statements import ENGINE, STATEMENTS


def test_every_statement_the_engine_keeps_has_a_test() -> None:
    named = shown(ROOT / "tests")
    assert [
        statement for statement, (package, _) in STATEMENTS.items() if package == ENGINE and not named.get(statement)
    ] == []


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.engine.conformance"


@pytest.mark.spec("MQTT-4.7.2-1")
def test_system_topics_are_heard_by_name_only(site: Site) -> None:
    """The broker's figures are in $SYS, which no leading wildcard matches."""
    all_topics, system = site.device("a"), site.device("s", clean=False)
    all_topics.subscribe(("#", 0))
    system.subscribe(("$SYS/#", 0))
    for topic, payload in system_topics(site.engine, uptime=12.7):
        site.engine.publish(topic, payload, retain=True)
    assert all_topics.payloads() == []
    figures = {topic: payload for topic, payload, _ in system.messages()}
    assert figures["$SYS/broker/uptime"] == b"12 seconds"
    assert figures["$SYS/broker/clients/connected"] == b"2"
    assert figures["$SYS/broker/subscriptions/count"] == b"2"
