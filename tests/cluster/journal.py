"""The journal of a soak: what was done and what was seen, one line each, in order."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path


class Journal:
    """A file that people read, also while the soak goes on. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._began = time.monotonic()
        self._lock = threading.Lock()
        path.write_text("", encoding="utf-8")

    def note(self, who: str, text: str) -> None:
        """One line: time in UTC, seconds since the start, who, what."""
        now = f"{datetime.now(UTC):%H:%M:%S}"
        since = time.monotonic() - self._began
        line = f"{now} {since:7.1f} s  {who:<10} {' '.join(text.split())}\n"
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line)
