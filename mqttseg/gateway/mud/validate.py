"""MUD files against their YANG modules.

Owns the data model that yangson is given. The modules are the IETF's, and are not shipped here: the package pyang
carries them (both come with the extra ``mud``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from mqttseg.errors import InternalError, OperatorError

_IMPLEMENTED = ("ietf-mud", "ietf-acldns", "ietf-access-control-list", "ietf-interfaces")
_IMPORTED = ("ietf-inet-types", "ietf-yang-types", "ietf-packet-fields", "ietf-ethertypes")
_FEATURES = {
    "ietf-access-control-list": [
        *("match-on-ipv4", "match-on-ipv6", "match-on-tcp", "match-on-udp", "ipv4", "ipv6"),
    ]
}
_MISSING = "this target needs yangson and pyang: pip install 'mqttseg[mud]'"


def validate(texts: Mapping[str, str]) -> None:
    """Raise InternalError for the first text that is no MUD file, OperatorError if the extra is not installed."""
    try:
        from yangson import DataModel  # noqa: PLC0415  # an extra
        from yangson.enumerations import ContentType  # noqa: PLC0415
        from yangson.exceptions import YangsonException  # noqa: PLC0415
    except ImportError as error:
        raise OperatorError(_MISSING) from error
    modules = _modules()
    model = DataModel(_library(modules), sorted({str(path.parent) for path in modules.values()}))
    for name, text in texts.items():
        try:
            model.from_raw(json.loads(text)).validate(ctype=ContentType.all)
        except YangsonException as error:
            raise InternalError(f"{name} is no MUD file: {error}") from error


def _modules() -> dict[str, Path]:
    """The modules' files."""
    wanted = {f"{name}.yang" for name in (*_IMPLEMENTED, *_IMPORTED)}
    try:
        found = {Path(path.name).stem: Path(str(path.locate())) for path in files("pyang") or () if path.name in wanted}
    except PackageNotFoundError as error:
        raise OperatorError(_MISSING) from error
    if len(found) < len(wanted):
        raise OperatorError(f"pyang lacks the module {min(wanted - {f'{name}.yang' for name in found})}; {_MISSING}")
    return found


def _library(modules: Mapping[str, Path]) -> str:
    """What RFC 7895 calls a YANG library: which modules, in which revision."""
    return json.dumps(
        {"ietf-yang-library:modules-state": {"module-set-id": "mud", "module": list(_descriptions(modules))}}
    )


def _descriptions(modules: Mapping[str, Path]) -> Iterator[dict[str, object]]:
    for name, path in modules.items():
        text = path.read_text()
        yield {
            "name": name,
            "revision": _first(r"^\s*revision\s+\"?([0-9-]{10})", text),
            "namespace": _first(r"^\s*namespace\s+\"([^\"]+)\"", text),
            "conformance-type": "implement" if name in _IMPLEMENTED else "import",
            "feature": _FEATURES.get(name, []),
        }


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise InternalError(f"a YANG module without {pattern}")
    return found[1]
