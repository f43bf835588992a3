"""What a user sees second by second: a watch of one StreamJob, read back as a history."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Body, Job, wait_for

GIVEN_UP = {"Ready": "False", "Stalled": "True", "LastOperationSucceeded": "False"}
WELL = {"Ready": "True", "Stalled": "False", "LastOperationSucceeded": "True"}

_DECODER = json.JSONDecoder()


class Watch:
    """All that a watch has brought so far."""

    def __init__(self, job: Job, output: Path) -> None:
        self._job = job
        self._output = output

    def _read(self) -> list[Body]:
        text, found, at = self._output.read_text(), [], 0
        while at < len(text):
            try:
                body, at = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError:
                break  # The last one is still being written.
            found.append(body)
            at += len(text[at:]) - len(text[at:].lstrip())
        return found

    @property
    def statuses(self) -> list[Body]:
        """Each status that was shown, oldest first, up to the one that is shown now."""

        def caught_up() -> list[Body] | None:
            found, now = self._read(), self._job.body
            return found if found and _version(found[-1]) == _version(now) else None

        found = wait_for(caught_up, "the watch has brought all", 15, self._job.told)
        return [body["status"] for body in found if "status" in body]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """State and warning as they changed, without repetitions."""
        pairs = [(_state(status), _warning(status)) for status in self.statuses]
        return [pair for pair, _ in itertools.groupby(pairs)]

    def values(self, *path: str) -> list[Any]:
        """What stood at a path of the status as it changed, without repetitions and gaps."""
        found = [_at(status, path) for status in self.statuses]
        return [value for value, _ in itertools.groupby(found) if value is not None]


def conditions(job: Job) -> dict[str, str]:
    """Those that tell how an operation went; to compare with GIVEN_UP and WELL."""
    return {kind: job.condition(kind)["status"] for kind in WELL}


def _version(body: Body) -> str:
    return str(body["metadata"]["resourceVersion"])


def _state(status: Body) -> str:
    return str(status.get("state", ""))


def _warning(status: Body) -> str:
    return str(status.get("warning", {}).get("reason", ""))


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body.get(name, {})
    return body if body != {} else None


@contextmanager
def watching(job: Job, directory: Path) -> Iterator[Watch]:
    """Watch the resource through kubectl while the block runs."""
    output = directory / f"{job.name}.watch"
    command = ["kubectl", "--kubeconfig", str(job.cluster.kubeconfig), "-n", job.cluster.namespace]
    command += ["get", "streamjob", job.name, "--watch", "-o", "json"]
    with output.open("w") as file, subprocess.Popen(command, stdout=file) as kubectl:
        try:
            yield Watch(job, output)
        finally:
            kubectl.terminate()
