"""Which tests run: the long forms of property tests only with ``--full``."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import hypothesis  # noqa: F401  # now, while there is one thread: CPython 3.11 may fail to parse in two at once
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the long forms of property tests (make test-full)")
    parser.addoption("--write-golden", action="store_true", help="write the golden rulesets anew; review them with git")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselected, not skipped: a skip is a test that could not run."""
    if config.getoption("--full"):
        return
    long = [item for item in items if item.get_closest_marker("full")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A command that sets logging up does so for its own test only: its stream is closed after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    disabled = {name: logger.disabled for name, logger in _loggers().items()}
    yield
    root.handlers[:], root.level = handlers, level
    for name, logger in _loggers().items():
        logger.disabled = disabled.get(name, False)


def _loggers() -> dict[str, logging.Logger]:
    known = logging.Logger.manager.loggerDict
    return {name: logger for name, logger in known.items() if isinstance(logger, logging.Logger)}
