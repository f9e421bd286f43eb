"""The map as text for Graphviz and Mermaid: segments as boxes, their devices in them, arrows for what may pass or did.

Owns their syntax, and escaping for it. Refuses to choose what is on the map. Where there are many devices a box says
how many: a picture of hundreds of nodes is looked at by nobody (the page zooms instead).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mqttseg.map.site_map import Dot, Line, SiteMap

DRAWN: Final = 60
"""Devices of a whole map that are drawn one by one."""

NOWHERE: Final = "in no segment"

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._:-/+,()")
Quote = Callable[[str], str]


def dot_text(site: SiteMap) -> str:
    """A graph for ``dot -Tsvg``."""
    boxes = _boxes(site)
    lines = ["digraph site {", "  rankdir=LR; compound=true; nodesep=0.15; ranksep=1.2;"]
    lines += ['  node [shape=box, style="rounded,filled", fillcolor=white, fontname=sans, fontsize=10];']
    lines += ["  edge [fontname=sans, fontsize=9];"]
    for number, (name, dots) in enumerate(boxes.items()):
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f"    label={_dot_quote(_title(name, dots))}; style=filled; color=gray80; fillcolor=gray96;")
        lines.append(f"    anchor_{number} [shape=point, style=invis, width=0.01];")
        lines += [f"    {node}" for node in _dot_nodes(site, number, dots)]
        lines.append("  }")
    lines += [f"  {edge}" for edge in _dot_edges(site, list(boxes))]
    return "\n".join([*lines, "}", ""])


def _dot_nodes(site: SiteMap, number: int, dots: list[Dot]) -> Iterator[str]:
    if len(site.dots) > DRAWN:
        return
    for index, dot in enumerate(dots):
        style = ', style="rounded,dashed"' if dot.last_seen is None else ""
        color = ", color=red" if dot.denied else ", color=orange" if dot.enrolled is False else ""
        yield f"d{number}_{index} [label={_dot_quote(_label(dot))}{style}{color}];"


def _dot_edges(site: SiteMap, names: list[str]) -> Iterator[str]:
    for line in site.lines:
        origin, target = names.index(line.origin), names.index(line.target)
        look = (
            "color=red, fontcolor=red" if line.conduit is None else "" if line.count else "style=dashed, color=gray50"
        )
        ends = f"ltail=cluster_{origin}, lhead=cluster_{target}"
        label = _dot_quote(edge_label(line))
        yield f"anchor_{origin} -> anchor_{target} [label={label}, {ends}{', ' if look else ''}{look}];"


def mermaid_text(site: SiteMap) -> str:
    """A flowchart, as Markdown pages show it."""
    boxes = _boxes(site)
    lines = ["flowchart LR"]
    for number, (name, dots) in enumerate(boxes.items()):
        lines.append(f"  subgraph s{number}[{_mermaid_quote(_title(name, dots))}]")
        drawn = dots if len(site.dots) <= DRAWN else []
        lines += [f"    d{number}_{index}[{_mermaid_quote(_label(dot))}]" for index, dot in enumerate(drawn)]
        if not drawn:
            lines.append(f'    e{number}[" "]')
        lines.append("  end")
    names = list(boxes)
    for line in site.lines:
        arrow = "-->" if line.conduit and line.count else "-.->"
        origin, target = names.index(line.origin), names.index(line.target)
        lines.append(f"  s{origin} {arrow}|{_mermaid_quote(edge_label(line))}| s{target}")
    red = [str(index) for index, line in enumerate(site.lines) if line.conduit is None]
    if red:
        lines.append(f"  linkStyle {','.join(red)} stroke:red,color:red")
    return "\n".join([*lines, ""])


def edge_label(line: Line) -> str:
    """What an arrow says."""
    if line.conduit is None:
        return f"no conduit: {line.count} messages"
    return f"{line.conduit}: {line.count} messages" if line.count else f"{line.conduit}: unused"


def _boxes(site: SiteMap) -> dict[str, list[Dot]]:
    """By segment; "" is none, and only there when something is in it."""
    boxes: dict[str, list[Dot]] = {zone.name: [] for zone in site.zones}
    for dot in site.dots:
        boxes.setdefault(dot.segment or "", []).append(dot)
    for line in site.lines:
        boxes.setdefault(line.origin, [])
        boxes.setdefault(line.target, [])
    return boxes


def _title(name: str, dots: list[Dot]) -> str:
    return f"{name or NOWHERE} ({len(dots)} device{'s' * (len(dots) != 1)})"


def _label(dot: Dot) -> str:
    notes = [
        dot.last_seen is None and "never seen",
        dot.enrolled is False and "not enrolled",
        dot.denied and f"{dot.denied} denied",
    ]
    told = ", ".join(note for note in notes if note)
    return f"{dot.id} ({told})" if told else dot.id


def _dot_quote(text: str) -> str:
    """A quoted id: only the quote and the backslash mean something in it, and a control character is none of it."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid_quote(text: str) -> str:
    """A quoted text, all but plain characters as entities, so that no Markdown, HTML or Mermaid is in it."""
    return '"' + "".join(c if c in _PLAIN else f"#{ord(c)};" for c in text) + '"'
