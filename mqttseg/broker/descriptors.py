"""Room for connections: each takes a file descriptor."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> None:
    """Raise this process's own limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
