"""The map as one HTML file that needs nothing else: no network, no library, nothing it was not made with.

Owns putting the data into the page. All of it stands in one JSON block in which no character can end the block; the
script makes text nodes of it and never markup; and a content security policy lets nothing run but that very script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import Final

from mqttseg.map.site_map import SiteMap, as_json

_ESCAPED: Final = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&'\u2028\u2029\x7f"})


def page_text(site: SiteMap) -> str:
    """The page."""
    parts = files(__package__)
    script = (parts / "page.js").read_text(encoding="utf-8")
    style = (parts / "page.css").read_text(encoding="utf-8")
    template = (parts / "page.html").read_text(encoding="utf-8")
    policy = f"default-src 'none'; base-uri 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    before, _, rest = template.partition("@POLICY@")
    middle, _, rest = rest.partition("@STYLE@")
    body, _, rest = rest.partition("@DATA@")
    end, _, last = rest.partition("@SCRIPT@")
    return "".join((before, policy, middle, style, body, embedded(as_json(site)), end, script, last))


def embedded(data: object) -> str:
    """JSON that may stand inside a script element, whatever its texts are."""
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).translate(_ESCAPED)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
