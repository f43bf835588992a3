"""Processes of pods, held still or ended from the node: what no Kubernetes API can do to them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.cluster import Job


def java_of(job: Job, component: str) -> list[int]:
    """Process ids of the job's Java processes, on the node that this machine is."""
    found = []
    for pod in job.pods(component):
        uid = job.cluster.get("pod", pod)["metadata"]["uid"]
        found += [pid for pid in _processes_of(uid) if _name(pid) == "java"]
    assert found, f"no Java process of a {component} of {job.name} runs on this machine"
    return found


def _processes_of(pod_uid: str) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"pod{pod_uid}" in (process / "cgroup").read_text():
                yield int(process.name)


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


@contextmanager
def frozen(job: Job, component: str = "taskmanager") -> Iterator[list[int]]:
    """Hold the processes still while the block runs, as a long pause of garbage collection would.

    A snapshot that is asked for meanwhile is under way for as long as that.
    """
    pids = java_of(job, component)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def kill(pids: list[int]) -> None:
    """End them at once, as the kernel does when memory runs out."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
