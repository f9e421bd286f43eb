"""Somebody with a site, at the gateway's keyboard."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mqttseg.cli import main
from tests.gateway.conftest import POLICY, inventory
from tests.gateway.lab import Lab, inside

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Typed:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Operator:
    """Somebody with a site at the gateway's keyboard."""

    def __init__(self, lab: Lab, site: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.lab = lab
        self.capture = capture
        self.configs = site / "configs"
        self.configs.mkdir(parents=True)
        self.state = site / "state" / "gateway"
        (self.configs / "mqttseg.yaml").write_text("policy: policy.yaml\n")
        self.writes()

    def writes(self, policy: str = POLICY, devices: str = inventory("a1", "a2", "b1")) -> None:
        (self.configs / "policy.yaml").write_text(policy)
        (self.configs / "devices.yaml").write_text(devices)

    def command(self, *words: str) -> list[str]:
        config = str(self.configs / "mqttseg.yaml")
        inside = ["ip", "netns", "exec", self.lab.gateway.space]
        return [*inside, sys.executable, "-m", "mqttseg", "-c", config, "gateway", *words]

    def types(self, *words: str) -> Typed:
        with inside(self.lab.gateway):
            code = main(["-c", str(self.configs / "mqttseg.yaml"), "gateway", *words])
        told = self.capture.readouterr()
        return Typed(code, told.out, told.err)

    def does(self, *words: str) -> str:
        done = self.types(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def starts(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*words), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def listing(self) -> str:
        return self.lab.gateway.run("nft", "-s", "list", "ruleset").stdout


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
