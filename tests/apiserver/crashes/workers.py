"""Replays, some at the same time: each worker has a thread, an event loop and a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.apiserver.apiserver import ApiServer
from tests.apiserver.crashes.server import Server, connected

WORKERS: Final = 2
"""While one waits for the API server, the other one computes; more of them gain nothing."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Share:
    """A worker's part of what is to be done."""

    number: int

    def of(self, work: Sequence[_T]) -> Sequence[_T]:
        """Every so many-th piece."""
        return work[self.number :: WORKERS]

    @property
    def namespace(self) -> str:
        """Where nobody else writes."""
        return f"shop-{self.number}"


SHARES: Final = tuple(map(Share, range(WORKERS)))

Work = Callable[[Server, Share], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Workers:
    """All of them, on one API server."""

    server: ApiServer
    operator: Path
    """The kubeconfig with the operator's rights."""

    async def do(self, work: Work) -> None:
        """Each does its share. Raises what the first of those that failed has raised."""

        async def connect_and_work(share: Share) -> None:
            async with connected(self.server, self.operator, share.namespace) as server:
                await work(server, share)

        def run(share: Share) -> None:
            asyncio.run(connect_and_work(share))

        threads = (asyncio.to_thread(run, share) for share in SHARES)
        for failed in await asyncio.gather(*threads, return_exceptions=True):
            if failed is not None:
                raise failed
