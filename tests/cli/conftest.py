"""A site made once by `mqttseg init`, a copy of it for each test, and the command line called in this process."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mqttseg.cli import main


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def mqttseg(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`mqttseg ARGUMENTS` in this process."""
    monkeypatch.delenv("MQTTSEG_CONFIG", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str | Path) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Result(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site as `mqttseg init` leaves it. Not to be changed."""
    root = tmp_path_factory.mktemp("pristine") / "site"
    assert main(["init", str(root), "--json"]) == 0
    return root


@pytest.fixture
def site(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site of this test's own, and the current directory."""
    root = tmp_path / "site"
    shutil.copytree(pristine, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def unused_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
