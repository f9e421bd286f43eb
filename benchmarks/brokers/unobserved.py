"""`mqttseg run` that keeps no events and no flows and watches nothing: what observing costs is measured against it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mqttseg.broker import plugin
from mqttseg.broker.run import serve
from mqttseg.observe.outlets import Outlets


class Nothing:
    """Takes what it is given, and keeps none of it; traffic is not even asked for."""

    takes_traffic = False

    def note(self, _: Sequence[object]) -> None:
        """Take traffic."""

    hear = check_certificates = note


def _outlets(_: object, __: Callable[[Any], None]) -> tuple[Nothing, Nothing, Outlets]:
    return Nothing(), Nothing(), Outlets([])


if __name__ == "__main__":
    plugin._outlets = _outlets  # type: ignore[assignment]  # as much of it as the plugin uses
    serve(Path(sys.argv[1]))
