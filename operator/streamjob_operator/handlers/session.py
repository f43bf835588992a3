"""Kopf's way to the API server: watches that end again and again are begun more seldom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import kopf

BRIEF_SECONDS: Final = 10.0
"""A watch that lived no longer than this did not work: something between here and there cuts it."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 10.0
"""What a change of a resource may have to wait for where watches don't work at all."""


@dataclass
class _Watch:
    begun: float
    pause: float = 0


@dataclass
class WatchPace:
    """A middleware of aiohttp's client. Kopf itself begins a watch anew at once when it has ended.

    Without a pause, a proxy that cuts streams, or a server that answers 410, is asked as fast as it
    answers: all lists with it.
    """

    monotonic: Callable[[], float] = time.monotonic
    _watches: dict[str, _Watch] = field(default_factory=dict)
    """By path: one for each kind and namespace."""

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Wait where the last watch of this kind was brief; then ask."""
        if request.url.query.get("watch") == "true":
            await asyncio.sleep(self.pause(request.url.path))
        return await handler(request)

    def pause(self, path: str) -> float:
        """Seconds until the next watch of this path may begin, which it then does."""
        now = self.monotonic()
        last = self._watches.get(path)
        pause = 0.0
        if last is not None and now - last.begun < BRIEF_SECONDS:
            pause = min(max(last.pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        self._watches[path] = _Watch(now + pause, pause)
        return pause


async def log_in(**kwargs: Any) -> kopf.AiohttpSession | None:
    """With the pod's own service account, else with the current kube context."""
    known = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
    if known is None:
        return None
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=known.as_ssl_context()),
        headers=known.as_http_headers(),
        proxy=known.proxy_url,
        trust_env=bool(known.trust_env),
        middlewares=(WatchPace(),),
    )
    return kopf.AiohttpSession(
        server=known.server,
        aiohttp_session=session,
        default_namespace=known.default_namespace,
        priority=known.priority,
        expiration=known.expiration,
    )
