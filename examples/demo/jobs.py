"""The StreamJobs of the demonstration as they are now, kept fresh by a watch."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from examples.demo.console import DemoError
from examples.demo.kubectl import NAMESPACE, OPERATOR_NAMESPACE, Kubectl

NOTICE_SECONDS = 45
"""An operator that works has looked at a new job long before."""


@dataclass(frozen=True)
class Job:
    """One StreamJob, as its status has it."""

    name: str
    state: str
    """Empty before the operator's first look."""
    operation: str
    """The operation under way, with its message; empty where there is none."""
    warning: str
    remedy: str
    ready: bool
    """The wish is fulfilled, for the newest generation."""
    stalled: bool
    """The operator has given up until something changes, for the newest generation."""
    run: int
    snapshot: dict[str, Any] | None

    @classmethod
    def of(cls, resource: dict[str, Any]) -> Job:
        """Read a resource, whose status may not be written yet."""
        status = resource.get("status") or {}
        operation, warning = status.get("operation") or {}, status.get("warning") or {}
        current = status.get("observedGeneration") == resource["metadata"]["generation"]
        conditions = {item["type"]: item["status"] for item in status.get("conditions") or []}
        return cls(
            name=resource["metadata"]["name"],
            state=status.get("state") or "",
            operation=": ".join(filter(None, (operation.get("type"), operation.get("message")))),
            warning=": ".join(filter(None, (warning.get("reason"), warning.get("message")))),
            remedy=warning.get("remedy") or "",
            ready=current and conditions.get("Ready") == "True",
            stalled=current and conditions.get("Stalled") == "True",
            run=status.get("run") or 0,
            snapshot=status.get("snapshot"),
        )

    def __str__(self) -> str:
        doing = f" ({self.operation})" if self.operation else ""
        warned = f" [warning {self.warning}]" if self.warning else ""
        return f"{self.name} {self.state or '(not looked at yet)'}{doing}{warned}"


class Jobs:
    """All jobs of the namespace; reads what `kubectl get --watch` prints."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, list[str]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._over = False
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """End the watch."""
        self._over = True
        if self._process:
            self._process.terminate()

    def __getitem__(self, name: str) -> Job:
        with self._changed:
            return self._jobs[name]

    def states_since(self, name: str, mark: int) -> list[str]:
        """Give the different states that the job went through after `mark`, in order."""
        with self._changed:
            return self._states.get(name, [])[mark:]

    def mark(self, name: str) -> int:
        """Give a place in the job's history, for `states_since`."""
        with self._changed:
            return len(self._states.get(name, []))

    def wait(self, names: Iterable[str], state: str, timeout: float) -> None:
        """Return when all of them have settled in the state.

        Raises DemoError when the operator gives one up, or after `timeout` s.
        """
        names = tuple(names)
        began = time.monotonic()

        def settled() -> bool:
            jobs = [self._jobs.get(name) for name in names]
            for job in jobs:
                if job and not job.state and time.monotonic() - began > NOTICE_SECONDS:
                    raise DemoError(
                        f"The operator has not looked at {job.name} in {NOTICE_SECONDS} s: is it"
                        f" running? kubectl get pods -n {OPERATOR_NAMESPACE}"
                    )
                if job and job.stalled:
                    raise DemoError(
                        f"{job.name} did not become {state}: {job.warning}\n{job.remedy}".strip()
                    )
            return all(job and job.ready and job.state == state for job in jobs)

        with self._kubectl.screen.waiting(self.line):
            self._wait(settled, timeout, f"not {state} after {timeout:.0f} s")

    def line(self) -> str:
        """Say in one line how all jobs are."""
        with self._changed:
            return "; ".join(str(self._jobs[name]) for name in sorted(self._jobs)) or "no job yet"

    def _wait(self, condition: Callable[[], bool], timeout: float, failure: str) -> None:
        deadline = time.monotonic() + timeout
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DemoError(f"{failure}: {self.line()}")
                self._changed.wait(min(left, 5))

    def _watch(self) -> None:
        while not self._over:
            arguments = ("-n", NAMESPACE, "--watch", "--output-watch-events", "-o", "json")
            self._process = subprocess.Popen(
                [*self._kubectl.program, "get", "streamjobs", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self._take(json.loads(line))
            self._process.wait()
            time.sleep(1)

    def _take(self, event: dict[str, Any]) -> None:
        resource = event["object"]
        if event["type"] == "ERROR" or resource.get("kind") != "StreamJob":
            return
        job = Job.of(resource)
        with self._changed:
            self._jobs[job.name] = job
            states = self._states.setdefault(job.name, [])
            if job.state and states[-1:] != [job.state]:
                states.append(job.state)
            if event["type"] == "DELETED":
                self._jobs.pop(job.name)
            self._changed.notify_all()
