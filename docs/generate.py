"""Writes the tables of the reference pages from the code: `make docs`.

A page marks where a table belongs, and everything around it is written by hand:

    <!-- generated: policy SegmentEntry -->
    <!-- end -->

Owns how a schema and a command become Markdown. Refuses to know what is in them: a test fails when a page is stale,
or when a part of a schema has no place in its page.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

from mqttseg.cli.app import app
from mqttseg.config import config_schema
from mqttseg.control.api import describe
from mqttseg.policy.schema import devices_schema, policy_schema

DOCS = Path(__file__).parent
OPENAPI = "control-api.json"
PAGES = ("policy.md", "configuration.md", "cli.md")

Schema = Mapping[str, Any]  # JSON Schema is JSON

SCHEMAS: dict[str, Callable[[], Schema]] = {
    "policy": policy_schema,
    "devices": devices_schema,
    "config": config_schema,
}
_MARK = re.compile(r"(<!-- generated: (\w+) ?(\w*) -->\n).*?(<!-- end -->)", re.DOTALL)
_KINDS = {
    "A topic filter; ${device} and ${segment} expand in it.": "filter",
    "A device id, or a glob over ids: * is any run, ? any one character.": "id or glob",
    "A topic prefix: it and all below it. # owns all that no other segment owns.": "topic prefix",
    "The segment, or SEGMENT/ROLE, whose messages flow.": "`SEGMENT` or `SEGMENT/ROLE`",
    "The segment, or SEGMENT/ROLE, that gets them.": "`SEGMENT` or `SEGMENT/ROLE`",
    "publish TOPIC, subscribe FILTER or receive TOPIC.": "attempt",
    "An address, or a network such as 192.0.2.0/24.": "address or network",
}
_BY_PATTERN = {
    r"^[A-Za-z][A-Za-z0-9_-]{0,31}$": "name",
    r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$": "device id",
    r"^[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?$": "domain name",
    r"^[^\s/:]{1,15}$": "interface name",
    r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$": "duration",
    r"^mqtts://.+": "`mqtts://HOST:PORT`",
    r"^(off|http://.+)$": "`off` or `http://HOST:PORT`",
}
_BY_PATTERN |= {"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$": "MAC address"}


def main() -> int:
    """Bring every reference page up to date, or with --check say which are not; returns the exit code."""
    made = {page: fresh(page) for page in PAGES} | {OPENAPI: openapi()}
    stale = [page for page, text in made.items() if not _is(page, text)]
    for page in stale:
        if "--check" not in sys.argv:
            (DOCS / page).write_text(made[page], encoding="utf-8")
        print(f"docs/{page}")
    return 1 if stale and "--check" in sys.argv else 0


def _is(page: str, text: str) -> bool:
    path = DOCS / page
    return path.exists() and path.read_text(encoding="utf-8") == text


def openapi() -> str:
    """The description of the control API, as a running broker gives it at /v1/openapi.json."""
    return json.dumps(describe(), indent=1) + "\n"


def fresh(page: str) -> str:
    """The page as it should be."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return _MARK.sub(lambda mark: f"{mark[1]}{_generated(mark[2], mark[3])}{mark[4]}", text)


def parts(which: str) -> set[str]:
    """What of a schema needs a table: its root, "", and every definition with keys."""
    schema = SCHEMAS[which]()
    return {"", *(name for name, part in schema.get("$defs", {}).items() if part.get("properties"))}


def marks(page: str) -> set[tuple[str, str]]:
    """The tables that a page has room for."""
    return {(mark[2], mark[3]) for mark in _MARK.finditer((DOCS / page).read_text(encoding="utf-8"))}


def _generated(which: str, part: str) -> str:
    lines = _commands() if which == "cli" else table(SCHEMAS[which](), part)
    return "".join(lines)


# --- tables of keys ------------------------------------------------------------------------------------------------


def table(schema: Schema, part: str) -> Iterator[str]:
    """The keys of one part of a schema (the root: ""), one row each, as lines of Markdown."""
    described = schema["$defs"][part] if part else schema
    required = described.get("required", ())
    yield "| key | value | default | meaning |\n"
    yield "|---|---|---|---|\n"
    for key, value in described["properties"].items():
        default = "required" if key in required else _default(value)
        meaning = value.get("description") or schema["$defs"][value["$ref"].rpartition("/")[2]]["description"]
        yield f"| `{key}` | {_kind(value)} | {default} | {_cell(meaning)} |\n"


def _cell(text: str) -> str:
    """Text that is safe in a table. Words that stand for something of the operator's are left as they are."""
    return re.sub(r"(?<!`)(\$\{\w+\})", r"`\1`", text).replace("|", "\\|")


def _default(value: Schema) -> str:
    default = value.get("default")
    if default is None or default == "":
        return ""
    if isinstance(default, bool):
        return f"`{default}`".lower()
    if isinstance(default, list):
        return ", ".join(f"`{item}`" for item in default)
    if isinstance(default, float | int) and "duration" in _kind(value):
        return f"`{_duration(default)}`"
    if isinstance(default, int) and "size" in _kind(value):
        return f"`{_size(default)}`"
    return f"`{default}`"


def _duration(seconds: float) -> str:
    units = (("d", 86400), ("h", 3600), ("m", 60))
    unit, length = next(((unit, length) for unit, length in units if seconds % length == 0), ("s", 1))
    return f"{seconds / length:g}{unit}"


def _size(count: int) -> str:
    units = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
    return next((f"{count // size}{unit}" for unit, size in units if count % size == 0), str(count))


def _kind(value: Schema) -> str:
    """What may stand there, in a few words."""
    if "$ref" in value:
        return f"[{_word(value['$ref'])}](#{_anchor(value['$ref'])})"
    if "enum" in value or "const" in value:
        return " or ".join(f"`{item}`" for item in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}"
    if value.get("type") == "object":
        held = _kind(next(iter(value["patternProperties"].values())))
        return f"mapping of names to {held}"
    return _choice(value) if "anyOf" in value or "oneOf" in value else _scalar(value)


def _choice(value: Schema) -> str:
    choices = value.get("anyOf") or value["oneOf"]
    if any("KiB" in choice.get("pattern", "") for choice in choices):
        return "size"
    kinds = [_kind(choice) for choice in choices]
    if len(kinds) == 2 and kinds[1] == f"list of {kinds[0]}":
        return f"{kinds[0]}, or a list"
    return " or ".join(dict.fromkeys(kinds))


def _scalar(value: Schema) -> str:
    described = _KINDS.get(value.get("description", "")) or _BY_PATTERN.get(value.get("pattern", ""))
    if described is not None:
        return described
    if value.get("format") == "date-time":
        return "date and time"
    if "filter" in value.get("description", "") or str(value.get("pattern", "")).startswith("^([^$]"):
        return "filter"
    if value.get("maximum") == 65535:
        return "port"
    if value.get("type") == "string" and "address" in value.get("description", "").lower():
        return "address"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}[
        value["type"]
    ]


def _word(reference: str) -> str:
    name = reference.rpartition("/")[2].removesuffix("Entry")
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def _anchor(reference: str) -> str:
    return _word(reference).replace(" ", "-")


# --- commands ------------------------------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    for path, command in command_tree():
        if path:
            yield from _command(path, command)


def command_tree(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with its path, in the order of the help."""
    command = get_command(app) if command is None else command
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from command_tree(child, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    is_group = hasattr(command, "commands")
    yield f"{'##' if is_group or len(path) == 1 else '###'} mqttseg {' '.join(path)}\n\n"
    examples, text = _help(command.help)
    yield "```console\n" + "".join(f"$ {line}\n" for line in examples) + f"```\n\n{text}\n\n"
    shown = [row for parameter in command.params if (row := _parameter(parameter))]
    if shown and not is_group:
        yield "| argument or option | meaning |\n|---|---|\n" + "".join(f"{row}\n" for row in shown) + "\n"


def _help(text: str) -> tuple[list[str], str]:
    """The examples that a help opens with, and the rest as paragraphs."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    examples = [part.removeprefix("$ ") for part in paragraphs if part.startswith("$ ")]
    return examples, "\n\n".join(part for part in paragraphs if not part.startswith("$ "))


def _parameter(parameter: Any) -> str | None:
    """A row of the table; None for what every command has."""
    if parameter.name in {"config", "as_json", "no_color", "help"}:
        return None
    wanted = parameter.metavar or "|".join(_choices(parameter))
    is_argument = parameter.param_type_name == "argument"
    name = wanted if is_argument else f"{', '.join(parameter.opts)} {wanted}".strip()
    default = f" Default: {parameter.default}." if isinstance(parameter.default, str) else ""
    return f"| `{_cell(name)}` | {_cell(parameter.help)}{default} |"


def _choices(parameter: Any) -> tuple[str, ...]:
    """The values that an option may have; where typer keeps them depends on its version."""
    described = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    found = get_args(described) if get_origin(described) is Literal else getattr(parameter, "type", None)
    return found if isinstance(found, tuple) else tuple(getattr(found, "choices", ()))


if __name__ == "__main__":
    raise SystemExit(main())
