"""The stage on which attacks are tried: one broker for each test, so that no attack leaves anything to the next.

Every attack is tried twice: behind the guard stands our engine, then a stock amqtt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import brokers
from tests.support.brokers import BACKENDS, BackendName
from tests.support.stages import Stage


@pytest.fixture(scope="module", params=BACKENDS, autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[BackendName]:
    """What stands behind the guard. A fixture that keeps a broker for a module must ask for it."""
    before, brokers.standard_backend = brokers.standard_backend, request.param
    yield request.param
    brokers.standard_backend = before


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as running:
        yield running
