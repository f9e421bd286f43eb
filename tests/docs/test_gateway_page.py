"""Who copies the commands of the gateway's page gets an isolated plant."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks, steps
from tests.gateway.lab import why_not

PAGE = DOCS / "how-to" / "gateway.md"


class Reader:
    """Root at a keyboard, with mqttseg on the PATH."""

    def __init__(self, root: Path) -> None:
        self.here = root
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
        self.environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "MQTTSEG_CONFIG": ""}
        del self.environment["MQTTSEG_CONFIG"]

    def types(self, command: str) -> list[str]:
        """The lines on stdout."""
        if command.startswith("cd "):
            self.here /= command.removeprefix("cd ")
            return []
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.here, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.splitlines()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    if why := why_not():
        pytest.skip(why)
    someone = Reader(tmp_path)
    yield someone
    last = steps(blocks(PAGE)[-1])[-1].command or ""
    subprocess.run(["bash", "-c", last], env=someone.environment, capture_output=True, check=False)


def test_the_gateways_page_shows_what_happens(reader: Reader) -> None:
    for block in blocks(PAGE):
        if block.language == "console":
            for step in steps(block):
                assert reader.types(step.command or "") == step.output, step.command
        elif len(block.info) > 1:
            (reader.here / block.info[1]).write_text(block.text)
    assert "lab-" not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
