"""Start the operator: settings, log, clients, then Kopf until a signal comes."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

from pydantic import ValidationError

from streamjob_operator import __version__
from streamjob_operator.flink.rest import FlinkRest
from streamjob_operator.handlers.running import serve
from streamjob_operator.kube.client import AioKubeClient
from streamjob_operator.runtime.logs import set_up_logging
from streamjob_operator.settings import Settings
from streamjob_operator.world import World


def main() -> int:
    """The process. Returns its exit code."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"streamjob-operator: the settings are wrong: {error}\n")
        return 2
    set_up_logging(settings.log_level)
    logging.getLogger(__name__).info("StreamJob operator %s starts", __version__)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    kube = await AioKubeClient.connect(settings.request_timeout_seconds)
    flink = FlinkRest(timedelta(seconds=settings.flink_timeout_seconds))
    try:
        await serve(World(settings, kube, flink))
    finally:
        await flink.close()
        await kube.close()


if __name__ == "__main__":
    sys.exit(main())
