"""Foreign text made fit to be shown: one line, bounded, no control characters, no secrets."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

SHOWN: Final = 500
"""Characters of a cause that reach a status or an event."""

_READ: Final = 4_000
"""Characters that are looked at in all: patterns below stay cheap whatever is sent."""

_USER_INFO = re.compile(r"([A-Za-z][\w+.-]*://)[^\s/@'\"]+@")
_QUERY = re.compile(r"([A-Za-z][\w+.:-]*:/[^\s?'\"]*)\?[^\s'\"]*")
_OPTION = re.compile(r"'(?!connector'|format')([^'\s]{1,200})'\s*=\s*'(?:[^']|'')*'")
_VALUE = re.compile(r"(Could not parse value )'(?:[^']|'')*'( for key)")
_REPEATED = re.compile(r"(?:(\b[^.]{5,80}\. )(?=\1))+")
_SECRET = re.compile(
    r"(?i)(?<![\w.-])([\w.-]*(?:password|passwd|secret|token|api[-_]?key|access[-_]?key)[\w.-]*\s*=\s*)"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s,;)}\]'\"]+)"
)


def without_secrets(text: str) -> str:
    """The text without option values, and without user-info and queries of URLs."""
    text = _OPTION.sub(r"'\1'='…'", text)
    text = _VALUE.sub(r"\1'…'\2", text)
    text = _USER_INFO.sub(r"\1", text)
    text = _QUERY.sub(r"\1", text)
    return _SECRET.sub(r"\1…", text)


def one_line(text: str, limit: int = SHOWN) -> str:
    """At most `limit` characters, without secrets, control and formatting characters."""
    plain = "".join(
        " " if unicodedata.category(character)[0] in "CZ" else character
        for character in text[:_READ]
    )
    line = _REPEATED.sub("", without_secrets(" ".join(plain.split())))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
