"""Looks at a soak's jobs all the time, beside whatever is done to them."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import urllib3
from kubernetes import client, config

from tests.cluster.cluster import Cluster
from tests.cluster.committed import Committed
from tests.cluster.invariants import COMPONENT, JOB, RUN, Body, Invariants, JobLook, LeaderSeen
from tests.cluster.journal import Journal
from tests.cluster.verdicts import outcome_of

LOOK_SECONDS: Final = 1.0
COUNT_SECONDS: Final = 60.0
"""Between two counts of the committed records."""
_TIMEOUT: Final = 5.0

Count = Callable[[], Committed]


class Api:
    """The few reads that a watcher needs, in one process, because kubectl would cost a core."""

    def __init__(self, cluster: Cluster) -> None:
        loaded = config.new_client_from_config(str(cluster.kubeconfig))
        self._namespace = cluster.namespace
        self._core = client.CoreV1Api(loaded)
        self._custom = client.CustomObjectsApi(loaded)
        self._leases = client.CoordinationV1Api(loaded)

    def stream_jobs(self) -> dict[str, Body]:
        """All StreamJobs by name."""
        found = self._custom.list_namespaced_custom_object(
            "streamjob.dev", "v1alpha1", self._namespace, "streamjobs", _request_timeout=_TIMEOUT
        )
        return {body["metadata"]["name"]: body for body in found["items"]}

    def pods(self) -> list[Body]:
        """All pods of StreamJobs, those that are ending too."""
        reply = self._core.list_namespaced_pod(
            self._namespace,
            label_selector=JOB,
            _preload_content=False,
            _request_timeout=_TIMEOUT,
        )
        return list(_object(reply)["items"])

    def lease(self) -> Body:
        """The operator's Lease."""
        reply = self._leases.read_namespaced_lease(
            "streamjob-operator",
            "streamjob-system",
            _preload_content=False,
            _request_timeout=_TIMEOUT,
        )
        return _object(reply)

    def flink_jobs(self, pod: str) -> list[Body]:
        """What this JobManager says of its jobs."""
        reply = self._core.connect_get_namespaced_pod_proxy_with_path(
            f"{pod}:8081",
            self._namespace,
            "jobs/overview",
            _preload_content=False,
            _request_timeout=_TIMEOUT,
        )
        found = _object(reply).get("jobs", [])
        return list(found)


def _object(reply: Any) -> Body:
    found = reply.json()
    assert isinstance(found, dict)
    return found


UNREACHABLE: Final = (client.ApiException, urllib3.exceptions.HTTPError, OSError)


@dataclass
class Tally:
    """What was seen, counted."""

    looks: int = 0
    unanswered: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    """By type and outcome."""
    warnings: Counter[str] = field(default_factory=Counter)
    """By reason; one that comes again with a new `since` counts again."""
    broken: list[str] = field(default_factory=list)
    leaders: int = 0


class Watcher(threading.Thread):
    """Judges every look by the invariants, and notes every transition in the journal."""

    def __init__(self, cluster: Cluster, journal: Journal, counts: Mapping[str, Count]) -> None:
        super().__init__(name="watcher", daemon=True)
        self.tally = Tally()
        self.latest: dict[str, JobLook] = {}
        """By job, the newest look."""
        self._cluster = cluster
        self._journal = journal
        self._counts = counts
        self._counted = time.monotonic()
        self._api = Api(cluster)
        self._invariants = Invariants()
        self._leader = LeaderSeen()
        self._ending = threading.Event()
        self._logs = LogKeeper(cluster, journal.path.parent / "pod-logs")
        self._answers = True

    def end(self) -> None:
        """Stop looking."""
        self._ending.set()
        self.join(timeout=60)

    def run(self) -> None:
        """Look until told to end. A bug in here must not pass for a quiet soak."""
        while not self._ending.wait(LOOK_SECONDS):
            try:
                self._look()
            except UNREACHABLE as error:
                self.tally.unanswered += 1
                if self._answers:
                    self._journal.note("watcher", f"the API server gives no answer: {error!r:.200}")
                self._answers = False
            except Exception as error:  # noqa: BLE001 - told as what it is: nobody watches any more
                self._break(f"the watcher failed: {error!r}")
                return

    def _look(self) -> None:
        now = time.monotonic()
        holder, lease = self._leader.holder, self._api.lease()
        led_for = self._leader.surely_for(now, lease)
        if self._leader.holder != holder:
            self.tally.leaders += 1
            self._journal.note("operator", f"{self._leader.holder or 'nobody'} leads")
        before = self._api.stream_jobs()
        pods = self._api.pods()
        after = self._api.stream_jobs()
        self.tally.looks += 1
        if not self._answers:
            self._journal.note("watcher", "the API server answers again")
        self._answers = True
        for name in self._counts.keys() & before.keys() & after.keys():
            mine = tuple(pod for pod in pods if pod["metadata"]["labels"][JOB] == name)
            steady = _version(before[name]) == _version(after[name])
            self._judge(now, led_for, self._closer(JobLook(after[name], mine, steady)))
        self._logs.keep()
        self._count(now)

    def _closer(self, job: JobLook) -> JobLook:
        """With Flink's own word where it is said to run, and with a look at the storage."""
        if job.state == "Running":
            return JobLook(job.body, job.pods, job.steady, flink_runs=self._flink_runs(job))
        if job.state == "Paused" and "snapshot" in job.status:
            path = job.status["snapshot"]["path"].removeprefix("file:").lstrip("/")
            saved = self._cluster.data / path.removeprefix("data/") / "_metadata"
            return JobLook(job.body, job.pods, job.steady, snapshot_exists=saved.is_file())
        return job

    def _flink_runs(self, job: JobLook) -> bool | None:
        run = str(job.status.get("run"))
        wanted = {RUN: run, COMPONENT: "jobmanager"}
        for pod in job.pods:
            if wanted.items() <= pod["metadata"]["labels"].items():
                try:
                    jobs = self._api.flink_jobs(pod["metadata"]["name"])
                except UNREACHABLE:
                    return None
                return any(_all_tasks_run(found) for found in jobs)
        return None

    def _judge(self, now: float, led_for: float, job: JobLook) -> None:
        for word in self._invariants.judge(now, led_for, job):
            self._break(word)
        old = self.latest.get(job.name)
        self.latest[job.name] = job
        before, text = (_told(old.body) if old else ""), _told(job.body)
        if text != before:
            self._journal.note(job.name, text)
        if old is None:
            return
        if outcome := outcome_of(old.status, job.status):
            self.tally.operations[outcome] += 1
        warning, known = job.status.get("warning"), old.status.get("warning", {})
        if warning and (warning["reason"], warning["since"]) != (
            known.get("reason"),
            known.get("since"),
        ):
            self.tally.warnings[warning["reason"]] += 1

    def _count(self, now: float) -> None:
        """A doubled record is one for ever; a lost one can still be under way."""
        if now - self._counted < COUNT_SECONDS:
            return
        self._counted = now
        for name, count in self._counts.items():
            found = count()
            words = f"{found.records}, {found.lost} not yet there, {found.doubled} doubled"
            self._journal.note(name, f"has committed {words}")
            if found.doubled:
                self._break(f"{name}: {found.doubled} committed records are doubled")

    def _break(self, word: str) -> None:
        self._journal.note("BROKEN", word)
        self.tally.broken.append(word)


class LogKeeper:
    """Keeps the logs of pods that are killed: a second link to the files on the node."""

    def __init__(self, cluster: Cluster, kept: Path) -> None:
        self._from = cluster.kubeconfig.parent / "pod-logs"
        self._namespaces = (cluster.namespace, "streamjob-system")
        self._kept = kept

    def keep(self) -> None:
        """Link what is new: one directory per container, one file per start of it."""
        for namespace in self._namespaces:
            for file in self._from.glob(f"{namespace}_*/*/*.log"):
                kept = self._kept / file.relative_to(self._from)
                if not kept.exists():
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    _link(file, kept)


def _link(file: Path, kept: Path) -> None:
    try:
        os.link(file, kept)
    except FileNotFoundError:
        return  # The pod was removed meanwhile.


def _version(body: Body) -> str:
    return str(body["metadata"]["resourceVersion"])


def _all_tasks_run(job: Body) -> bool:
    tasks = job.get("tasks", {})
    running = tasks.get("running", 0)
    return bool(running and running + tasks.get("finished", 0) == tasks.get("total"))


def _told(body: Body) -> str:
    """One line about a StreamJob that changes when something happens to it."""
    status = body.get("status", {})
    parts = [f"{status.get('state')} run {status.get('run')}"]
    if operation := status.get("operation"):
        attempt = f" attempt {operation['attempt']}" if "attempt" in operation else ""
        parts.append(f"{operation['type']} {operation.get('phase', 'by Flink')}{attempt}")
    if warning := status.get("warning"):
        attempts = f" ({warning['attempts']} attempts)" if "attempts" in warning else ""
        parts.append(f"warning {warning['reason']}{attempts}: {warning['message']:.300}")
    stalled = [it for it in status.get("conditions", ()) if it["type"] == "Stalled"]
    if stalled and stalled[0]["status"] == "True":
        parts.append("Stalled")
    return "; ".join(parts)
