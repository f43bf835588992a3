"""Time, so that tests can set it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The instant in UTC."""
        ...


class SystemClock:
    """The machine's clock, cut to the millisecond."""

    def now(self) -> datetime:
        """The instant in UTC."""
        return datetime.now(UTC)
