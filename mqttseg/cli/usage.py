"""What a usage error says, in the words of this command line.

Owns the few phrases that the option parser's own types have for a wrong value. Refuses to know which command it is.
"""

from __future__ import annotations

import re
from typing import Final

_PHRASES: Final = (
    (r"Input should be greater than or equal to (\S+)", r"write a number of at least \1"),
    (r"Input should be less than or equal to (\S+)", r"write a number of at most \1"),
    (r"Input should be a valid integer, [^;]*", "write a whole number"),
    (r"Input should be a valid number, [^;]*", "write a number"),
    (r"Value error, ", ""),
    (r"Invalid value for '([^']+)'", r"Invalid value for \1"),
)


def in_our_words(message: str) -> str:
    """The message without what only a programmer knows: ``Invalid value for --days: write a whole number``."""
    for phrase, ours in _PHRASES:
        message = re.sub(phrase, ours, message)
    return message.rstrip(".")
