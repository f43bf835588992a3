"""Telling a job's loop that something happened to the job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Wakeups:
    """One event per job that has a loop."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], asyncio.Event] = {}

    @contextmanager
    def subscribe(self, namespace: str, name: str) -> Iterator[asyncio.Event]:
        """The event that wakes the job's loop, for as long as the loop runs."""
        event = self._events.setdefault((namespace, name), asyncio.Event())
        try:
            yield event
        finally:
            if self._events.get((namespace, name)) is event:
                del self._events[namespace, name]

    def wake(self, namespace: str, name: str) -> None:
        """Wake the job's loop, if there is one."""
        event = self._events.get((namespace, name))
        if event is not None:
            event.set()
