"""Every command's help opens with an example, and every example and option in it exists. (Of docs/: tests/docs/.)"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from mqttseg.cli.app import app
from tests.cli.conftest import Command

TREE: Any = get_command(app)


def tree(command: Any = TREE, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group, with its path."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from tree(child, (*path, name))


COMMANDS = dict(tree())


def examples(text: str) -> Iterator[str]:
    """The mqttseg commands of the lines that begin with a prompt."""
    for line in re.findall(r"^\s*\$ (.*)", text, re.MULTILINE):
        yield from (part.strip() for part in line.split("&&") if part.strip().startswith("mqttseg"))


def parse(line: str) -> None:
    """Parse a command line as far as possible without doing anything."""
    words = shlex.split(line.split(" > ", maxsplit=1)[0], comments=True)[1:]
    context: Any = None
    command: Any = TREE
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        words = [*getattr(context, "protected_args", ()), *getattr(context, "_protected_args", ()), *context.args]
        if not hasattr(command, "commands"):
            return
        _, command, words = command.resolve_command(context, words)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_opens_with_an_example_that_parses(path: tuple[str, ...], mqttseg: Command) -> None:
    command = COMMANDS[path]
    assert command.help.startswith("$ mqttseg"), "the help does not open with an example"
    for example in examples(command.help):
        parse(example)
    shown = mqttseg(*path, "--help")
    assert shown.code == 0
    assert shown.out.split("\n\n")[1].strip().startswith("$ mqttseg")


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=" ".join)
def test_a_commands_example_is_of_that_command(path: tuple[str, ...]) -> None:
    assert " ".join(("mqttseg", *path)) in COMMANDS[path].help


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_says_what_it_does_in_the_list_of_commands(path: tuple[str, ...]) -> None:
    assert not path or COMMANDS[path].short_help


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_is_documented_and_every_mentioned_one_exists(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert all(parameter.help for parameter in command.params)
    known = {option for item in COMMANDS.values() for parameter in item.params for option in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", command.help)) <= known | {"--help"}


def test_the_helper_notices_what_does_not_exist() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse("mqttseg device issue x --bogus")
    with pytest.raises(Exception, match="No such command"):
        parse("mqttseg device bogus")
