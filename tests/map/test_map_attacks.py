"""What devices choose (ids, topics, shapes) is on the map as text, and does nothing there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mqttseg.map.graphs import dot_text, mermaid_text
from mqttseg.map.page import page_text
from mqttseg.map.site_map import SiteMap, as_json
from tests.map.sites import large_site, small_site

ATTACKS = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    '"];evil [label="',
    '\\"]; digraph { x } //',
    "\u2028alert(1)\u2029",
    "${alert(1)}`'\"",
    'end\nclick d0_0 "javascript:alert(1)"',
    "@SCRIPT@ @DATA@ @POLICY@",
    "\x1b[2J\x00\x7f",
)


def hostile(text: str) -> SiteMap:
    """A site in which a device, its topic and the reason are the attacker's text: a store may be from elsewhere."""
    site = small_site()
    dots = tuple(replace(dot, id=text) if dot.id == "cam-1" else dot for dot in site.dots)
    traces = tuple(
        replace(trace, flow=replace(trace.flow, device=text, shape=text, example=text), rule=text)
        if trace.flow.device == "cam-1"
        else trace
        for trace in site.traces
    )
    return replace(site, dots=dots, traces=traces)


class Parts(HTMLParser):
    """The elements of a page, and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


@pytest.mark.parametrize("text", ATTACKS)
def test_script_injection_adds_no_element_and_no_handler(text: str) -> None:
    plain, attacked = Parts(page_text(small_site())), Parts(page_text(hostile(text)))
    assert attacked.elements == plain.elements
    assert attacked.handlers == []
    assert attacked.scripts[1] == plain.scripts[1]


@pytest.mark.parametrize("text", ATTACKS)
def test_the_data_of_the_page_is_what_was_put_in(text: str) -> None:
    site = hostile(text)
    assert json.loads(Parts(page_text(site)).scripts[0]) == as_json(site)


def test_the_page_asks_for_nothing_from_anywhere() -> None:
    page = page_text(small_site())
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page
    assert not re.search(r"(src|href)=|@import|url\((?!#)|fetch\(|XMLHttpRequest|innerHTML|insertAdjacent|eval\(", page)
    assert set(re.findall(r"https?://[^\"\s]+", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address


def test_the_page_is_small() -> None:
    assert len(page_text(small_site())) < 40_000
    assert len(page_text(large_site(500, 8))) < 400_000


@pytest.mark.parametrize("text", ATTACKS)
def test_graphviz_injection_stays_inside_its_quotes(text: str) -> None:
    made = dot_text(hostile(text))
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', made)
    assert outside == re.sub(r'"(?:[^"\\]|\\.)*"', '""', dot_text(small_site()))
    assert all(c.isprintable() or c == "\n" for c in made)


@pytest.mark.parametrize("text", ATTACKS)
def test_mermaid_injection_stays_inside_its_quotes(text: str) -> None:
    made = mermaid_text(hostile(text))
    quoted = re.compile('"[^"\n]*"')
    assert quoted.sub('""', made) == quoted.sub('""', mermaid_text(small_site()))
    assert all(c.isalnum() or c in ' ._:-/+,()#;"' for text in quoted.findall(made) for c in text)


def test_hundreds_of_devices_are_numbers_in_text_graphs() -> None:
    site = large_site(500, 8)
    assert len(dot_text(site).splitlines()) < 150
    assert len(mermaid_text(site).splitlines()) < 150
