"""Waiting for whichever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Protocol


class StopFlag(Protocol):
    """Kopf's flag that asks a daemon to end."""

    def __bool__(self) -> bool:
        """Whether the daemon is to end."""
        ...

    def wait(self) -> Awaitable[object]:
        """Wait until it is."""
        ...


async def wait_any(woken: asyncio.Event, stopped: StopFlag, at_most: timedelta) -> None:
    """Until woken, stopped, or `at_most` is over."""
    waits = {asyncio.ensure_future(woken.wait()), asyncio.ensure_future(stopped.wait())}
    try:
        await asyncio.wait(
            waits, timeout=max(at_most.total_seconds(), 0), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for wait in waits:
            wait.cancel()
