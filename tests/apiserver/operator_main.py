"""The operator's process as its image starts it, in a cluster that is played.

Only names are looked up elsewhere: those of JobManagers lead to the played Flinks. For the tests
it notes when it opens a connection, and tells on SIGUSR1 what its memory is made of.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any, Final

from streamjob_operator.__main__ import main

FLINK_PORT: Final = "STREAMJOB_TEST_FLINK_PORT"
"""Where all JobManagers are."""
CONNECTIONS: Final = "STREAMJOB_TEST_CONNECTIONS"
"""The file with a line for each attempt to connect: `time.monotonic()` and the port."""
CENSUS: Final = "STREAMJOB_TEST_CENSUS"
"""The file that SIGUSR1 writes."""

_LINES: Final = 15


def lead_to_played_flinks(port: int) -> None:
    """Every name that ends in `.svc` is here."""
    look_up = socket.getaddrinfo

    def looked_up(host: Any, *arguments: Any, **options: Any) -> list[Any]:
        if isinstance(host, str) and host.endswith(".svc"):
            found = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*found, ("127.0.0.1", port))]
        return look_up(host, *arguments, **options)

    socket.getaddrinfo = looked_up


def note_connections(path: Path) -> None:
    """An audit hook sees also those that are refused."""
    notes = path.open("a", buffering=1)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            notes.write(f"{time.monotonic()} {arguments[1][1]}\n")

    sys.addaudithook(note)


def tell_census_on_signal(path: Path) -> None:
    """What there is of each type, what runs, and with PYTHONTRACEMALLOC where memory was asked for.

    The latter is the growth since the first time.
    """
    first: list[tracemalloc.Snapshot] = []

    def tell(*_: object) -> None:
        gc.collect()
        objects = gc.get_objects()
        running = (each for each in objects if isinstance(each, asyncio.Task) and not each.done())
        census = {
            "objects": Counter(f"{type(it).__module__}.{type(it).__qualname__}" for it in objects),
            "tasks": Counter(getattr(it.get_coro(), "__qualname__", "?") for it in running),
            "memory": _grown(first) if tracemalloc.is_tracing() else [],
        }
        # Whoever waits for the file finds it whole.
        part = path.with_suffix(".part")
        part.write_text(json.dumps(census))
        part.replace(path)

    signal.signal(signal.SIGUSR1, tell)


def _grown(first: list[tracemalloc.Snapshot]) -> list[str]:
    now = tracemalloc.take_snapshot()
    if not first:
        first.append(now)
    grown = now.compare_to(first[0], "lineno")[:_LINES]
    return [f"{each.size_diff:+} B in {each.count_diff:+}: {each.traceback}" for each in grown]


if __name__ == "__main__":
    lead_to_played_flinks(int(os.environ[FLINK_PORT]))
    if CONNECTIONS in os.environ:
        note_connections(Path(os.environ[CONNECTIONS]))
    if CENSUS in os.environ:
        tell_census_on_signal(Path(os.environ[CENSUS]))
    sys.exit(main())
