"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.engine import EngineSettings
from tests.engine.engine_harness import Site


@pytest.fixture
def site() -> Site:
    """A site that stores nothing."""
    return Site()


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Site]:
    """A site that commits when told to."""
    site = Site(tmp_path / "state" / "sessions.db", EngineSettings(in_flight=10))
    yield site
    assert site.store is not None
    site.store.close()


@pytest.fixture(params=["in memory", "stored"])
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """What must hold with and without a store."""
    site = Site(tmp_path / "sessions.db" if request.param == "stored" else None)
    yield site
    if site.store is not None:
        site.store.close()
