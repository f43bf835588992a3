"""What the demonstration prints: never silent for more than a few seconds."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

QUIET_SECONDS = 8
"""After so long without a line, one says what is being waited for."""


class DemoError(Exception):
    """The demonstration can't go on; the text says why and what to do."""


class Screen:
    """Prints, and knows when it printed last."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._last = self._began

    def headline(self, text: str) -> None:
        """Begin a step."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self._print(f"\n== {text}  [{minutes}:{seconds:02d}]", "bold cyan")

    def say(self, text: str) -> None:
        """Say what goes on."""
        self._print(text)

    def good(self, text: str) -> None:
        """Say what was found to be as promised."""
        self._print(text, "green")

    def bad(self, text: str) -> None:
        """Say what went wrong."""
        self._print(text, "bold red")

    def command(self, command: Sequence[str]) -> None:
        """Show a command that the user could have typed."""
        self._print("$ " + shlex.join(command), "bold")

    def output(self, text: str) -> None:
        """Show what a command printed, as it is."""
        self._print(text.rstrip("\n"))

    @contextmanager
    def waiting(self, what: Callable[[], str]) -> Iterator[None]:
        """While the block runs, print `what()` whenever nothing else was printed for a while."""
        over = threading.Event()
        started = time.monotonic()

        def remind() -> None:
            while not over.wait(1):
                if time.monotonic() - self._last >= QUIET_SECONDS:
                    self._print(f"   {time.monotonic() - started:4.0f} s  {what()}", "dim")

        thread = threading.Thread(target=remind, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def stream(self, title: str, command: Sequence[str | Path]) -> None:
        """Run a command that takes long and show what it prints. Raises DemoError if it fails."""
        with self.waiting(lambda: f"still {title}"):
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                self._print("   " + line.rstrip(), "dim")
            code = process.wait()
        if code:
            raise DemoError(f"{title} failed (exit code {code}): {''.join(lines[-1:]).strip()}")

    def _print(self, text: str, style: str = "") -> None:
        with self._lock:
            self._console.print(text, style=style or None, markup=False)
            self._last = time.monotonic()
