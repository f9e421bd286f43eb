"""The table of conformance has every statement of the standard, a test for each, and says what the tests say."""

from __future__ import annotations

import pytest

from mqttseg.engine.statistics import system_topics
from tests.engine.conformance import PAGE, ROOT, page, shown
from tests.engine.engine_harness import Site
from tests.engine.statements import NOT_A_SERVERS, SECTIONS, STATEMENTS


def test_every_statement_of_the_standard_is_in_the_table_or_binds_no_server() -> None:
    standard = {f"MQTT-{section}-{at}" for section, count in SECTIONS.items() for at in range(1, count + 1)}
    ours = {statement.replace("MQTT-3-8.3-4", "MQTT-3.8.3-4") for statement in STATEMENTS}  # the standard's own slip
    assert ours | set(NOT_A_SERVERS) == standard
    assert ours.isdisjoint(NOT_A_SERVERS)


def test_every_statement_has_a_test_that_is_marked_with_it() -> None:
    marked = shown(ROOT / "tests")
    assert [statement for statement in STATEMENTS if not marked.get(statement)] == []


def test_every_mark_is_a_statement_of_the_table() -> None:
    assert sorted(set(shown(ROOT / "tests")) - set(STATEMENTS)) == []


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
