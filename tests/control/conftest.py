"""The API served on a Unix socket, in front of a broker that is none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.control.api import create_api
from mqttseg.control.client import Client
from mqttseg.control.endpoint import listening
from mqttseg.control.server import serving
from tests.control.fakes import FakeOperations


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory whose name is short enough for a Unix socket."""
    directory = Path(tempfile.mkdtemp(prefix="mqttseg-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
def client(state: Path, operations: FakeOperations) -> Iterator[Client]:
    """A client of the served API."""
    with listening(state) as bound, serving(create_api(operations), bound), Client(state) as connected:
        yield connected
