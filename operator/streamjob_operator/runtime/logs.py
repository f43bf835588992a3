"""The operator's own log."""

from __future__ import annotations

import logging


def set_up_logging(level: str) -> None:
    """One line per message on stderr. Kopf tells of every event: only its warnings are kept."""
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    for chatty in ("kopf", "kopf.objects", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
