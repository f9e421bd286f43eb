"""Fuzz the guard's connection with atheris, guided by coverage: `python -m tests.fuzz.fuzz_guard -max_total_time=60`.

The laws are those of tests/support/offstage.py: whatever a device sends, nothing but its own connection ends, nothing
raises, the backend gets only what policy allows it, and so does the device.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["mqttseg"]):
    from mqttseg.wire.encode import encode
    from mqttseg.wire.packets import Connect, Subscribe, Will
    from tests.support.offstage import Stagehand, attack

STAGEHAND = Stagehand.new()
HELLO = encode(Connect("cam-1", will=Will("cameras/will", b"gone"))) + encode(Subscribe(1, (("cameras/#", 0),)))


def check(data: bytes) -> None:
    """The first byte says whether the device connects in good order first, the second where to split the rest."""
    if len(data) < 2:
        return
    place, sent = data[1], data[2:]
    attack(STAGEHAND, [HELLO if data[0] & 1 else b"", sent[:place], sent[place:]])


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
