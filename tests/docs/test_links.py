"""Everything that README and docs point at is there."""

from __future__ import annotations

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, README, ROOT, blocks, pages, prose

ids = [str(page.relative_to(ROOT)) for page in pages()]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=ids)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), f"{page.name} links to {target}"
            assert found.is_relative_to(ROOT)
            assert not anchor or anchor in anchors(found), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", pages(), ids=ids)
def test_every_file_that_is_mentioned_exists(page: Path) -> None:
    text = prose(page)
    for name in re.findall(
        r"(?<![\w./-])((?:docs|tests|mqttseg|benchmarks|tools)/[\w./-]*\w)", re.sub(r"\]\([^)]*\)", "", text)
    ):
        assert (ROOT / name).exists(), f"{page.name} mentions {name}"


def test_files_named_by_the_table_of_rules_exist() -> None:
    named = re.findall(r"`((?:pki|guard|policy|broker|wire)/\w+\.py)`", (DOCS / "enforcement.md").read_text())
    assert named
    assert all((ROOT / "mqttseg" / name).exists() for name in named)


def test_the_index_leads_to_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    for page in DOCS.rglob("*.md"):
        assert page == DOCS / "README.md" or f"({page.relative_to(DOCS)})" in index, page


@pytest.mark.parametrize("page", pages(), ids=ids)
def test_pages_hold_nothing_of_the_machine_they_were_written_on(page: Path) -> None:
    assert not re.search(r"/(work|root)\b|/home/(?!you\b)", page.read_text())
    assert all(block.language for block in blocks(page) if block.text.startswith("$ "))


def test_the_unit_starts_reloads_and_stops_what_exists() -> None:
    unit = RawConfigParser(strict=False)  # keys may be repeated: the last one counts here
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    unit.read(DOCS / "systemd" / "mqttseg.service")
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["ExecReload"].endswith("kill -HUP $MAINPID")
    assert service["ExecStart"].split()[1:3] == ["run", "--config"]
    assert service["User"] != "root"
    assert README.exists()
