"""The operator's own log."""

from __future__ import annotations

import logging


def set_up_logging(level: str) -> None:
    """One line per message on stderr. Kopf's own talk is kept to warnings: it tells of every event."""
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    for chatty in ("kopf", "kopf.objects", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
