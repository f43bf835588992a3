"""The endpoint of the probes: it answers as long as the event loop turns, on a standby too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import web


@asynccontextmanager
async def answering_probes(endpoint: str) -> AsyncIterator[None]:
    """Serve the endpoint, e.g. `http://0.0.0.0:8080/healthz`. Raises OSError when it is taken."""
    url = urlsplit(endpoint)
    application = web.Application()
    application.router.add_get(url.path, _alive)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, url.hostname, url.port).start()
        yield
    finally:
        await runner.cleanup()


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({})
