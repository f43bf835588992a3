"""kubectl against the demonstration's cluster: everything here could have been typed."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from examples.demo.console import DemoError, Screen

NAMESPACE = "streamjob-demo"
"""Where the demonstration's jobs live; made and removed by it."""

OPERATOR_NAMESPACE = "streamjob-system"
OPERATOR_PODS = "app.kubernetes.io/name=streamjob-operator"


@dataclass(frozen=True)
class Kubectl:
    """kubectl, with the cluster chosen."""

    program: tuple[str, ...]
    """The program, with the options that choose the cluster."""
    screen: Screen

    def run(
        self, *arguments: str, given: str | None = None, timeout: float = 60, check: bool = True
    ) -> str:
        """Give what it printed. Raises DemoError if it fails or takes longer than `timeout` s."""
        return self.run_bytes(
            *arguments, given=given.encode() if given else None, timeout=timeout, check=check
        ).decode(errors="replace")

    def run_bytes(
        self, *arguments: str, given: bytes | None = None, timeout: float = 60, check: bool = True
    ) -> bytes:
        """As `run`, for what is no text."""
        shown = "kubectl " + " ".join(arguments)
        try:
            done = subprocess.run(
                [*self.program, *arguments],
                input=given if given is not None else b"",
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"{shown}: no answer in {timeout:.0f} s") from error
        if check and done.returncode:
            raise DemoError(f"{shown}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def shown(self, *arguments: str, timeout: float = 60) -> str:
        """Run it before the user's eyes: the command, then what it printed."""
        self.screen.command(["kubectl", *arguments])
        output = self.run(*arguments, timeout=timeout)
        self.screen.output(output or "(nothing)")
        return output

    def get(self, *arguments: str) -> dict[str, Any]:
        """Read an object or a list as JSON. Raises DemoError."""
        found: dict[str, Any] = json.loads(self.run("get", *arguments, "-o", "json"))
        return found

    def exists(self, *arguments: str) -> bool:
        """Tell whether an object is there."""
        return bool(self.run("get", *arguments, "--ignore-not-found", "-o", "name").strip())
