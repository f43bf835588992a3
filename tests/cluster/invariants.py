"""What must hold of StreamJobs at every moment, whatever is done to them.

Pure: looks at the API server come in, words about what is broken come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Body = Mapping[str, Any]

LIE_SECONDS: Final = 20.0
"""How long `Running` may be shown while Flink does not say so: the operator polls every 5 seconds
and waits 3 seconds against flicker; the rest is for a busy machine of two cores.
"""
JOB, RUN = "streamjob.dev/job", "streamjob.dev/run"
COMPONENT: Final = "app.kubernetes.io/component"


@dataclass(frozen=True)
class JobLook:
    """One job, looked at once."""

    body: Body
    """The StreamJob."""
    pods: tuple[Body, ...]
    steady: bool
    """The StreamJob did not change while the pods were listed."""
    flink_runs: bool | None = None
    """Flink's own word: every task runs. None where it was not or could not be asked."""
    snapshot_exists: bool | None = None
    """`status.snapshot` lies on the storage; None where nobody looked."""

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.body["metadata"]["name"])

    @property
    def status(self) -> Body:
        """The status; empty before the first visit."""
        found: Body = self.body.get("status", {})
        return found

    @property
    def state(self) -> str:
        """`status.state`; empty before the first visit."""
        return str(self.status.get("state", ""))

    def condition(self, kind: str) -> Body:
        """One condition; empty where it is not written."""
        found = [it for it in self.status.get("conditions", ()) if it["type"] == kind]
        return found[0] if found else {}

    def runs_of_pods(self, component: str | None = None) -> set[str]:
        """Numbers of the runs that pods belong to in which something runs or may come to run."""
        labels = [pod["metadata"].get("labels", {}) for pod in self.pods if _may_run(pod)]
        return {it[RUN] for it in labels if RUN in it and component in {None, it.get(COMPONENT)}}


def _may_run(pod: Body) -> bool:
    """False for a pod that is about to vanish: its containers have ended for good."""
    status = pod.get("status", {})
    containers = status.get("containerStatuses", [])
    ended = bool(containers) and all("terminated" in it["state"] for it in containers)
    told_to_go = "deletionTimestamp" in pod["metadata"]
    return not (ended and told_to_go) and status.get("phase") not in {"Failed", "Succeeded"}


@dataclass
class LeaderSeen:
    """Who holds the operator's Lease, by the watcher's own clock."""

    holder: str = ""
    renewed: str = ""
    since: float = 0.0
    at: float = 0.0

    def surely_for(self, now: float, lease: Body) -> float:
        """Seconds for which the holder has led without a gap; 0 when it does not renew."""
        spec = lease.get("spec", {})
        holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
        stale = now - self.at > 5
        if renewed != self.renewed:
            if holder != self.holder or stale:
                self.since = now
            self.holder, self.renewed, self.at = holder, renewed, now
            stale = False
        return 0.0 if stale or not holder else now - self.since


@dataclass
class Invariants:
    """Judges look after look. What stays broken is told once."""

    highest_run: dict[str, int] = field(default_factory=dict)
    doubted_since: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def judge(self, now: float, led_for: float, job: JobLook) -> list[str]:
        """What is newly broken. `now` in seconds; the leader has led for `led_for` seconds."""
        words = [*self._of_runs(job), *self._of_running(now, led_for, job)]
        if job.steady:
            words += [*_of_resting(job), *_of_conditions(job)]
        found = {f"{job.name}: {word}" for word in words}
        new = found - self._told
        self._told = {word for word in self._told if not word.startswith(f"{job.name}: ")} | found
        return sorted(new)

    def _of_runs(self, job: JobLook) -> list[str]:
        words = []
        for component in ("jobmanager", "taskmanager"):
            runs = job.runs_of_pods(component)
            if len(runs) > 1:
                words.append(f"{component} pods of runs {' and '.join(sorted(runs))} at once")
        run, before = int(job.status.get("run", 0)), self.highest_run.get(job.name, 0)
        if run < before:
            words.append(f"status.run went back from {before} to {run}")
        self.highest_run[job.name] = max(run, before)
        return words

    def _of_running(self, now: float, led_for: float, job: JobLook) -> list[str]:
        """`Running` is shown, and no look at Flink confirms it for too long."""
        if job.state != "Running" or job.flink_runs:
            self.doubted_since.pop(job.name, None)
            return []
        doubted = now - self.doubted_since.setdefault(job.name, now)
        if min(doubted, led_for) <= LIE_SECONDS:
            return []
        says = "can't be asked" if job.flink_runs is None else "says otherwise"
        return [f"the state is Running, but Flink {says} for more than {LIE_SECONDS:.0f} s"]


def _of_resting(job: JobLook) -> list[str]:
    """Paused and Stopped: nothing runs; Paused: its snapshot is there."""
    if job.state not in {"Paused", "Stopped"}:
        return []
    words = []
    if runs := job.runs_of_pods():
        words.append(f"the state is {job.state} with pods of run {', '.join(sorted(runs))}")
    if job.status.get("runningCU", "0") != "0":
        words.append(f"the state is {job.state} with runningCU {job.status['runningCU']}")
    if job.state == "Paused" and "snapshot" not in job.status:
        words.append("the state is Paused without a snapshot")
    if job.snapshot_exists is False:
        words.append(f"the snapshot {job.status['snapshot']['path']} is not on the storage")
    return words


def _of_conditions(job: JobLook) -> list[str]:
    """Given up only with a warning; Ready only with the wish fulfilled."""
    words = []
    stalled, ready = job.condition("Stalled"), job.condition("Ready")
    if stalled.get("status") == "True" and "warning" not in job.status:
        words.append("the condition Stalled is True without a warning")
    deleted = "deletionTimestamp" in job.body["metadata"]
    wish = "Stopped" if deleted else job.body["spec"].get("desiredState", "Running")
    current = ready.get("observedGeneration") == job.body["metadata"]["generation"]
    nothing_to_pause = (wish, ready.get("reason")) == ("Paused", "NothingToPause")
    fulfilled = job.state == ("Stopped" if nothing_to_pause else wish)
    if ready.get("status") == "True" and current and not fulfilled:
        words.append(f"the condition Ready is True with the wish {wish} and the state {job.state}")
    if job.state != "Operating" and "phase" in (job.status.get("operation") or {}):
        kind = job.status["operation"]["type"]
        if kind != "Snapshot":
            words.append(f"the state is {job.state} during the operation {kind}")
    return words
