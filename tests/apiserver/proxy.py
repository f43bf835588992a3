"""A way to the API server that a test can make bad, and that counts what is asked."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from yarl import URL

from tests.apiserver.apiserver import ApiServer, free_ports

_PASSED_ON: Final = ("Authorization", "Accept", "Content-Type")
_EXPIRED: Final = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Expired",
    "message": "too old resource version",
    "code": 410,
}
_TOO_MANY: Final = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "TooManyRequests",
    "message": "the server has received too many requests and has asked us to try again later",
    "code": 429,
}


@dataclass(frozen=True)
class Asked:
    """One call that came to the proxy."""

    at: float
    """By `time.monotonic()`, which all processes of a machine share."""
    method: str
    path: str
    is_watch: bool

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def is_lease(self) -> bool:
        return "/leases" in self.path


@dataclass
class Proxy:
    """Forwards to the API server, as well or as badly as its fields say."""

    server: ApiServer
    port: int = field(default_factory=lambda: free_ports(1)[0])
    asked: list[Asked] = field(default_factory=list)
    passed_on: list[Asked] = field(default_factory=list)
    """What reached the API server, and when."""
    delay_seconds: float = 0
    """Each call, but for what a watch tells later, takes so long."""
    refused_share: float = 0
    """So many of the calls are answered with 429, Too Many Requests."""
    retry_after_seconds: int = 1
    watches_expire: bool = False
    """Watches are told at once that their version is too old (410)."""
    watches_end: bool = False
    """Watches end as soon as they have begun."""
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _chance: random.Random = field(default_factory=lambda: random.Random(7))
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None
    _session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kubeconfig(self, of: Path, to: Path) -> Path:
        """The same user, by way of this proxy."""
        config = json.loads(of.read_text())
        config["clusters"][0]["cluster"] = {"server": self.url}
        to.write_text(json.dumps(config))
        return to

    async def refuse(self) -> None:
        """Nobody listens any more: connections are refused, and those that stand are reset."""
        assert self._site is not None
        await self._site.stop()
        self._site = None
        self.drop_connections()

    def drop_connections(self) -> None:
        """All connections are reset, watches too."""
        assert self._runner is not None
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()

    def swallow(self) -> None:
        """A partition: connections stand, nothing comes through in either direction."""
        self._flows.clear()

    def flow(self) -> None:
        """What the client has not given up yet comes through late, as TCP sends it again."""
        self._flows.set()

    def since(self, begun: float, until: float | None = None) -> list[Asked]:
        """What came in a time."""
        end = time.monotonic() if until is None else until
        return [each for each in self.asked if begun <= each.at < end]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        is_watch = request.query.get("watch") == "true"
        asked = Asked(time.monotonic(), request.method, request.path, is_watch)
        self.asked.append(asked)
        content = await request.read()
        await self._flows.wait()
        await asyncio.sleep(self.delay_seconds)
        if self._chance.random() < self.refused_share:
            headers = {"Retry-After": str(self.retry_after_seconds)}
            return web.json_response(_TOO_MANY, status=429, headers=headers)
        if is_watch and self.watches_expire:
            return web.json_response({"type": "ERROR", "object": _EXPIRED})
        assert self._session is not None
        self.passed_on.append(replace(asked, at=time.monotonic()))
        url = URL(self.server.url + request.raw_path, encoded=True)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        async with self._session.request(
            request.method, url, data=content or None, headers=headers
        ) as answer:
            if is_watch and answer.status == 200:
                return await self._stream(request, answer)
            whole = await answer.read()
            await self._flows.wait()
            return web.Response(status=answer.status, body=whole, content_type="application/json")

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if not self.watches_end:
            with suppress(ConnectionError):
                async for chunk in answer.content.iter_any():
                    await self._flows.wait()
                    await response.write(chunk)
        return response


@asynccontextmanager
async def proxy_to(server: ApiServer, **how: Any) -> AsyncIterator[Proxy]:
    """A proxy on a free port of the loopback interface, until the block ends."""
    made = Proxy(server, **how)
    made.flow()
    application = web.Application(client_max_size=16 << 20)
    application.router.add_route("*", "/{path:.*}", made._handle)  # noqa: SLF001 - its own module
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    made._runner = runner  # noqa: SLF001
    trusted = ssl.create_default_context(cafile=server.certificate_authority)
    connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
    endless = aiohttp.ClientTimeout(total=None, sock_read=None)
    async with aiohttp.ClientSession(connector=connector, timeout=endless) as session:
        made._session = session  # noqa: SLF001
        await made.listen()
        try:
            yield made
        finally:
            made.drop_connections()
            await runner.cleanup()


def most_per_second(times: Sequence[float]) -> int:
    """The busiest second: of all spans of one second that begin with an event, the fullest."""
    ordered = sorted(times)
    most = begin = 0
    for end, at in enumerate(ordered):
        while ordered[begin] < at - 1:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def by_kind(asked: Sequence[Asked]) -> Counter[str]:
    """How often each method and kind was asked for, to tell what a storm is made of."""
    return Counter(
        f"{each.method} {'watch ' if each.is_watch else ''}{_kind(each)}" for each in asked
    )


def _kind(asked: Asked) -> str:
    parts = asked.path.split("/")
    return parts[parts.index("namespaces") + 2] if "namespaces" in parts[:-2] else parts[-1]
