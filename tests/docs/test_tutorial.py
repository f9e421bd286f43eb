"""Who follows the tutorial, or the README's tour, sees what they show: at real terminals, with real clients."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, README, blocks, steps
from tests.docs.walkthrough import Walkthrough, follows, free_port, shape


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Walkthrough]:
    """Someone in an empty directory. Without mosquitto's clients: skipped, but not where everything must run."""
    for program in ("mosquitto_pub", "mosquitto_sub"):
        if shutil.which(program) is None:
            message = f"{program} is not installed (Debian: mosquitto-clients)"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
    with Walkthrough(tmp_path, free_port()) as someone:
        yield someone


def test_the_tutorial_shows_what_happens(reader: Walkthrough, tmp_path: Path) -> None:
    reader.follow(blocks(DOCS / "tutorial.md"))
    audit = (tmp_path / "bakery" / "state" / "audit.jsonl").read_text()
    assert '"reason": "client-id-mismatch"' in audit
    assert "ovens/oven-1/set/temp 999" not in "\n".join(reader.lines("panel"))


def test_the_tour_of_the_readme_works(reader: Walkthrough) -> None:
    (tour,) = (block for block in blocks(README) if "policy explain" in block.text)
    seen = {step.command.split()[1] for step in steps(tour) if step.command and step.command.startswith("mqttseg")}
    assert {"init", "policy", "device", "run"} <= seen
    for step in steps(tour):
        reader.take("", step)
        if step.command and step.command.startswith("mqttseg run"):
            reader.expect("", ["mqttseg ready mqtts://0.0.0.0:8883 mqtts://[::]:8883"])
        if step.command and step.command.startswith(
            "mosquitto_pub"
        ):  # the tour's listener does not say when it is ready
            reader.repeat_until("", step, "21.5")
    reader.expect("", ["denied: outside-segment", "asked cam-1 publish hvac/thermo-1/cmd/off"])


@pytest.mark.parametrize(
    ("shown", "wanted", "lines"),
    [
        (["a", "b", "c"], ["a", "b"], 2),
        (["x", "a", "b"], ["a", "b"], 3),
        (["a", "x", "b"], ["a", "b"], None),  # lines that stand together must come together
        (["a", "x", "b"], ["a", "...", "b"], 3),
        (["b", "a"], ["a", "...", "b"], None),
        ([], [], 0),
    ],
)
def test_what_is_shown_must_come_in_order(shown: list[str], wanted: list[str], lines: int | None) -> None:
    assert follows(shown, wanted) == lines


def test_lines_are_compared_without_dates_and_addresses() -> None:
    assert shape("22:05:31 deny  from=127.0.0.1:4711") == shape("09:00:00 deny from=127.0.0.1:51526")
    assert shape("device=door-1") != shape("device=door-2")
