"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class FakeClock:
    """The time, as the test has set it."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        """The instant in UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Let so much time pass."""
        self._now += by
