"""The orders that come in while the demonstration runs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from examples.demo.console import DemoError
from examples.demo.kubectl import NAMESPACE, Kubectl
from examples.orders.generate import generate

FIRST_BATCH = 1000
BATCH = 60
EVERY_SECONDS = 3.0
_ATTEMPTS = 3

FILES_POD = "streamjob-files"


class Feed:
    """Adds files with orders to the watched directory, in the background, until it is closed."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._next = 1
        self._over = threading.Event()
        self._adding = threading.Lock()
        self._failure: DemoError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def given(self) -> int:
        """How many orders were added so far. Raises DemoError when adding has failed."""
        if self._failure:
            raise self._failure
        return self._next - 1

    @property
    def held(self) -> threading.Lock:
        """While this is held, no order is added."""
        return self._adding

    def start(self) -> None:
        """Add the first, large batch, and go on in the background. Raises DemoError."""
        self._add(FIRST_BATCH)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            try:
                self._add(BATCH)
            except DemoError as error:
                self._failure = error
                return

    def _add(self, count: int) -> None:
        with self._adding:
            text = "".join(generate(self._next, count, datetime.now(UTC)))
            name = f"orders-{self._next:07d}.jsonl"
            # Written under a hidden name first: Flink must never see half a file.
            script = f"cd /data/orders && cat >.{name} && mv .{name} {name}"
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._kubectl.run(
                        *("exec", "-i", "-n", NAMESPACE, FILES_POD, "--", "sh", "-c", script),
                        given=text,
                        timeout=30,
                    )
                    break
                except DemoError:
                    if attempt == _ATTEMPTS:
                        raise
            self._next += count
