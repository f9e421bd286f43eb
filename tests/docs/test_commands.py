"""Every ``mqttseg`` command line that is shown would be accepted."""

from __future__ import annotations

import contextlib

import pytest
import typer

from docs.generate import command_tree
from tests.cli.test_cli_help import parse
from tests.docs.pages import commands, simple_commands

SHOWN = list(commands())


@pytest.mark.parametrize(("where", "line"), SHOWN, ids=[f"{where} {line}" for where, line in SHOWN])
def test_a_command_that_is_shown_parses(where: str, line: str) -> None:
    with contextlib.suppress(typer.Exit):  # --version and --help do all they do while they are parsed
        parse(line)


def test_commands_are_found() -> None:
    assert len(SHOWN) > len(dict(command_tree()))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("mqttseg init plant && cd plant   # a site", ["mqttseg init plant"]),
        ("mqttseg run &", ["mqttseg run"]),
        ("mqttseg ca crl > ca.crl", ["mqttseg ca crl"]),
        ("sudo mqttseg status", ["mqttseg status"]),
        ("mosquitto_sub -t mqttseg", []),
        ("/opt/mqttseg/bin/mqttseg run", ["mqttseg run"]),
    ],
)
def test_the_commands_of_a_line(line: str, found: list[str]) -> None:
    assert list(simple_commands(line)) == found
