"""What a comparison concludes follows from its turns, and the page says what was kept."""

from __future__ import annotations

from pathlib import Path

from benchmarks.compare import page, tables
from benchmarks.compare.targets import TARGETS
from benchmarks.compare.turns import RESULTS, Found, Results, Turn


def fan_in(ours: list[float], theirs: list[float]) -> Results:
    """Turns of two brokers, round by round."""
    values = {"mqttseg": ours, "mosquitto": theirs}
    return Results(
        scenario="fan-in",
        title="Fan-in",
        machine={"cores": "2"},
        brokers={"mqttseg": "ours", "mosquitto": "theirs"},
        cases={"q0-w1": ("QoS 0", "msg/s")},
        left_out={"q0-w1": {"nats": "nats-server is not installed"}},
        turns=[Turn("q0-w1", name, at, Found(value)) for name, v in values.items() for at, value in enumerate(v)],
    )


def test_ratios_are_of_turns_in_the_same_round() -> None:
    results = fan_in([10.0, 40.0, 90.0], [10.0, 20.0, 30.0])
    assert results.ratios(("q0-w1", "mqttseg"), ("q0-w1", "mosquitto")) == [1.0, 2.0, 3.0]


def test_a_round_that_one_side_did_not_finish_is_no_pair() -> None:
    assert fan_in([10.0, 40.0], [5.0]).ratios(("q0-w1", "mqttseg"), ("q0-w1", "mosquitto")) == [2.0]


def test_a_target_is_met_by_the_median() -> None:
    kept = {"fan-in": fan_in([10.0, 40.0, 90.0], [10.0, 20.0, 30.0])}
    assert TARGETS[0].row(kept)[2:] == ("2.00 (1.00 to 3.00)", "", "yes")
    kept = {"fan-in": fan_in([10.0, 30.0, 90.0], [10.0, 20.0, 30.0])}
    assert TARGETS[0].row(kept)[2:] == ("1.50 (1.00 to 3.00)", "", "**no**")


def test_a_target_without_its_turns_is_neither_met_nor_missed() -> None:
    assert TARGETS[0].row({})[2:] == ("not measured", "", "")


def test_the_table_says_why_a_broker_is_left_out() -> None:
    assert "nats-server is not installed" in tables.scenario(fan_in([1.0], [1.0]))


def test_results_are_read_back_as_they_were_kept() -> None:
    results = fan_in([1.0], [2.0])
    assert RESULTS.validate_json(RESULTS.dump_json(results)) == results


def test_the_page_gets_its_tables_and_keeps_its_prose(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text(
        "before\n<!-- measured: targets -->\nold\n<!-- end -->\nbetween\n<!-- measured: fan-in -->\n<!-- end -->\n"
    )
    kept = {"fan-in": fan_in([20.0], [10.0])}
    page.refresh(kept, path)
    text = path.read_text()
    assert "old" not in text
    assert "between" in text
    assert tables.targets(kept) in text
    page.refresh(kept, path)
    assert path.read_text() == text
