"""Pieces of YAML: what the operator wrote, written again, and what a device chose, made harmless.

Owns quoting. Texts of devices become double-quoted ASCII scalars or escaped comments; there is no third way. Refuses to
know what the pieces mean.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

import yaml

from mqttseg.policy.membership import is_device_id

_WIDE = 1_000_000  # no folding: one line each
_SHOWN = 80  # characters of a device's text in a comment


def quoted(text: str) -> str:
    """A double-quoted scalar, in ASCII and in one line."""
    return yaml.dump(text, default_style='"', width=_WIDE, allow_unicode=False).rstrip("\n")


def told(text: str) -> str:
    """A device's text inside a comment: in ASCII, in one line, and cut off."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return ascii(cut)


def who(device: str) -> str:
    """A device in a comment; one whose id is none is quoted like any text."""
    return device if is_device_id(device) else told(device)


def comment(lines: Iterable[str], indent: int = 0) -> Iterator[str]:
    """Comment lines, folded. The texts hold nothing of devices but what ``told`` has made of it."""
    for line in lines:
        for part in textwrap.wrap(line, 110 - indent, subsequent_indent="  ") or [""]:
            yield f"{' ' * indent}# {part}".rstrip()


def read_mapping(text: str) -> Mapping[str, yaml.Node]:
    """The entries of a file that holds a mapping and is known to be valid."""
    return entries(yaml.compose(text, Loader=yaml.SafeLoader))


def entries(node: yaml.Node | None) -> Mapping[str, yaml.Node]:
    """The entries of a node; none if it is no mapping."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value}


def written(key: str, node: yaml.Node, indent: int) -> Iterator[str]:
    """An entry as it was, its comments aside."""
    name = yaml.ScalarNode("tag:yaml.org,2002:str", key)
    whole = yaml.MappingNode("tag:yaml.org,2002:map", [(name, node)], flow_style=False)
    text = yaml.serialize(whole, width=_WIDE, allow_unicode=True)
    yield from textwrap.indent(text, " " * indent).splitlines()
