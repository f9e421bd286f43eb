"""aedes from npm, behind node's TLS, with authorize callbacks: the program is aedes_broker.mjs beside this file.

The library is installed once into the benchmark's own folder, at a fixed version.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.brokers.process import Broker, Kind, announced, process
from benchmarks.site import WORK, Site

VERSION = "1.2.0"
_FOLDER = WORK / f"aedes-{VERSION}"
_PROGRAM = Path(__file__).with_name("aedes_broker.mjs")
_PATIENCE = 120.0


@functools.cache
def _missing() -> str:
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed"
    if (_FOLDER / "node_modules" / "aedes" / "package.json").exists():
        return ""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(_FOLDER), f"aedes@{VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return "npm gave no answer: is the registry reachable?"
    return "" if done.returncode == 0 else "npm could not install it: is the registry reachable?"


@contextlib.contextmanager
def _start(site: Site) -> Iterator[Broker]:
    config, log = site.root / "aedes.json", site.root / "aedes.log"
    config.write_text(json.dumps(_config(site)))
    program = _FOLDER / _PROGRAM.name  # beside its library, where node looks for it
    shutil.copyfile(_PROGRAM, program)
    with process(["node", str(program), str(config)], log) as started:
        yield Broker("aedes", announced(started, log), started.pid)


def _config(site: Site) -> dict[str, object]:
    rights = site.segmentation.rights.items()
    return {
        "ca": str(site.ca),
        "certificate": str(site.broker_certificate),
        "key": str(site.broker_key),
        "rights": {
            device: {"publish": list(right.publish), "subscribe": list(right.subscribe)} for device, right in rights
        },
    }


AEDES = Kind("aedes", f"aedes {VERSION} on node, authorize callbacks", _start, _missing)
