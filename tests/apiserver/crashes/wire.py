"""A bad line: a real HTTP server that answers every request as a test says, or not at all."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

_REASONS: Final = {
    403: "Forbidden",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/"""


@dataclass(frozen=True)
class WireAnswer:
    """What comes back over the line for one call."""

    status: int | None = None
    """None: no answer."""
    is_cut: bool = False
    """The connection is reset instead of no answer for ever."""
    carried_out: bool = False
    """The server did the work all the same."""
    explained: bool = True
    """The server itself says so, in its own words; else it is something in between that does."""

    @property
    def hangs(self) -> bool:
        """The client has to give up by itself."""
        return self.status is None and not self.is_cut


class BadWire:
    """Answers on a loopback port what `answer` says."""

    def __init__(self) -> None:
        self.answer = WireAnswer()
        self.url = ""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if self.answer.hangs:
            await asyncio.Event().wait()
        if self.answer.is_cut:
            _reset(request)
        status = self.answer.status or 200
        if not self.answer.explained:
            return web.Response(status=status, text="upstream trouble")
        is_kubernetes = request.path.startswith(("/api/", "/apis/"))
        said = _kubernetes(status) if is_kubernetes else _flink(status)
        return web.json_response(said, status=status, headers={"Retry-After": "0"})


@asynccontextmanager
async def bad_wire() -> AsyncIterator[BadWire]:
    """One that listens."""
    wire = BadWire()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", wire.respond)
    # A handler that waits for ever ends when its client has hung up.
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    wire.url = f"http://{host}:{port}"
    try:
        yield wire
    finally:
        await runner.cleanup()


def _reset(request: web.Request) -> None:
    """Nothing more is sent than TCP's RST."""
    transport = request.transport
    if transport is None:
        return
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _kubernetes(status: int) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "told so by the test",
        "reason": _REASONS.get(status, "Unknown"),
        "code": status,
    }


def _flink(status: int) -> dict[str, Any]:
    return {"errors": [f"HTTP {status}, told so by the test"]}
