"""Waiting longer after each failure in a row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta


class Backoff:
    """`first`, doubled up to `longest`; each with a tenth of jitter, so that jobs spread out."""

    def __init__(
        self,
        longest: timedelta = timedelta(minutes=1),
        first: timedelta = timedelta(seconds=1),
    ) -> None:
        self._longest = longest
        self._first = first
        self._next = first

    def next(self) -> timedelta:
        """How long to wait now."""
        wait, self._next = self._next, min(self._next * 2, self._longest)
        return wait * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, no secret

    def reset(self) -> None:
        """All is well again."""
        self._next = self._first


class EndlessDelays:
    """Seconds to wait between Kopf's own attempts at the API server: growing, never ending.

    Kopf takes any iterable that can be iterated anew; a finite one would end the operator in a long
    outage.
    """

    def __iter__(self) -> Iterator[float]:
        """Start from the shortest again."""
        delay = 0.5
        while True:
            yield delay
            delay = min(delay * 2, 30)
