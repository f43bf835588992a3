"""The endpoints of the probes: on a standby too.

The one for liveness answers as long as the event loop turns. `/readyz` beside it also says whether
the API server answers: a restart would not help there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

READY_PATH: Final = "/readyz"
SILENT_SECONDS: Final = 10.0
"""Without an answer from the API server for so long, the operator is not ready."""


@asynccontextmanager
async def answering_probes(endpoint: str, silent_for: Callable[[], float]) -> AsyncIterator[None]:
    """Serve the endpoint, e.g. `http://0.0.0.0:8080/healthz`. Raises OSError when it is taken.

    `silent_for`: for how many seconds every call to the API server has gone without an answer.
    """

    async def ready(_request: web.Request) -> web.Response:
        seconds = silent_for()
        if seconds < SILENT_SECONDS:
            return web.json_response({})
        reason = f"no answer from the API server for {seconds:.0f} s"
        return web.json_response({"reason": reason}, status=503)

    url = urlsplit(endpoint)
    application = web.Application()
    application.router.add_get(url.path, _alive)
    application.router.add_get(READY_PATH, ready)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, url.hostname, url.port).start()
        yield
    finally:
        await runner.cleanup()


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({})
