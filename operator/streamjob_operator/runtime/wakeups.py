"""Telling a job's loop that something happened to the job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Wakeups:
    """The events of the loops that run; a resource made again may have two for a moment."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], set[asyncio.Event]] = {}

    @contextmanager
    def subscribe(self, namespace: str, name: str) -> Iterator[asyncio.Event]:
        """The event that wakes the job's loop, for as long as the loop runs."""
        event = asyncio.Event()
        key = (namespace, name)
        self._events.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            self._events[key].discard(event)
            if not self._events[key]:
                del self._events[key]

    def wake(self, namespace: str, name: str) -> None:
        """Wake the job's loop, if there is one."""
        for event in self._events.get((namespace, name), ()):
            event.set()
