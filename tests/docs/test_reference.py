"""The reference pages say what the code says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from docs import generate
from mqttseg.errors import Reason
from mqttseg.observe.events import Event, Kind
from tests.docs.pages import DOCS

PAGE_OF = {"policy": "policy.md", "devices": "policy.md", "config": "configuration.md"}
COMMANDS: dict[tuple[str, ...], Any] = dict(generate.command_tree())


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_generated_page_is_fresh(page: str) -> None:
    """Otherwise: make docs."""
    assert (DOCS / page).read_text() == generate.fresh(page), "run `make docs`"


def test_the_description_of_the_control_api_is_fresh() -> None:
    """Otherwise: make docs."""
    assert (DOCS / generate.OPENAPI).read_text() == generate.openapi(), "run `make docs`"


def test_every_path_of_the_control_api_is_in_the_reference() -> None:
    text = (DOCS / "control-api.md").read_text()
    for path, methods in json.loads(generate.openapi())["paths"].items():
        for method in methods:
            assert f"| `{method.upper()} {path}` |" in text


@pytest.mark.parametrize("which", generate.SCHEMAS)
def test_every_part_of_a_file_has_its_table(which: str) -> None:
    found = {part for schema, part in generate.marks(PAGE_OF[which]) if schema == which}
    assert found == generate.parts(which)


def test_every_table_says_which_value_a_key_takes() -> None:
    for which, schema in generate.SCHEMAS.items():
        for row in tables(which):
            key, value, _, meaning = row
            assert value, f"{which}: {key} has no value"
            assert meaning, f"{which}: {key} has no meaning"
        assert schema()["properties"]


def tables(which: str) -> list[list[str]]:
    """The rows of all tables of a schema."""
    lines = [line for part in generate.parts(which) for line in generate.table(generate.SCHEMAS[which](), part)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:] if "---" not in line]


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=" ".join)
def test_every_command_and_option_is_in_the_reference(path: tuple[str, ...]) -> None:
    text = (DOCS / "cli.md").read_text()
    section = re.search(rf"^##+ mqttseg {' '.join(path)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    common = text.partition("<!-- generated")[0]
    for parameter in COMMANDS[path].params:
        for option in parameter.opts:
            assert not option.startswith("--") or option in section[1] + common + "--help", option


def test_every_exit_code_is_in_the_reference() -> None:
    text = (DOCS / "cli.md").read_text()
    for code in (0, 1, 2, 3, 4, 130):
        assert f"| {code} |" in text


def test_the_page_of_reasons_has_a_row_for_each_and_no_other() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (.+?) \| (.*?) \| (.*?) \|$", (DOCS / "reasons.md").read_text(), re.MULTILINE
    )
    assert sorted(row[0] for row in rows) == sorted(str(reason) for reason in Reason)


def test_the_page_of_the_audit_file_names_every_field_and_kind() -> None:
    text = (DOCS / "configuration.md").read_text()
    for word in (*Event.__slots__, *map(str, Kind)):
        assert f"`{word}`" in text, word
