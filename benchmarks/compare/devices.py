"""The devices that all scenarios share, so that their certificates are made once."""

from __future__ import annotations

COUNT = 2000


def device(number: int) -> str:
    """The id of one of them."""
    return f"dev-{number:04}"


DEVICES = tuple(device(number) for number in range(COUNT))
