"""What a soak does, chosen by a seed: the same seed gives the same sequence of steps.

No choice depends on what the cluster does, so that a run can be played again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

Spec = Mapping[str, Any]


class Kill(StrEnum):
    """What is killed, and how: its processes by SIGKILL, or its pod by force."""

    LEADER_PROCESS = "operator leader, SIGKILL"
    LEADER_POD = "operator leader, pod deleted by force"
    STANDBY_PROCESS = "operator standby, SIGKILL"
    STANDBY_POD = "operator standby, pod deleted by force"
    JOBMANAGER_PROCESS = "JobManager, SIGKILL"
    JOBMANAGER_POD = "JobManager, pod deleted by force"
    TASKMANAGER_PROCESS = "TaskManager, SIGKILL"
    TASKMANAGER_POD = "TaskManager, pod deleted by force"
    API_SERVER = "API server, SIGKILL"


_KILLS: Final = {
    Kill.LEADER_PROCESS: 3,
    Kill.LEADER_POD: 3,
    Kill.STANDBY_PROCESS: 1,
    Kill.STANDBY_POD: 1,
    Kill.JOBMANAGER_PROCESS: 2,
    Kill.JOBMANAGER_POD: 2,
    Kill.TASKMANAGER_PROCESS: 2,
    Kill.TASKMANAGER_POD: 1,
    Kill.API_SERVER: 2,
}
"""How often each is chosen, relative to the others."""

_INTERVALS: Final = ("2 s", "3 s", "4 s")
_SHORT_GAP: Final = (2, 30)
_LONG_GAP: Final = (30, 60)
_DURING_AN_OPERATION: Final = (0, 15)
_API_SERVER_AWAY: Final = (0, 20)


@dataclass(frozen=True)
class Wait:
    """Nothing is done for so long."""

    seconds: float


@dataclass(frozen=True)
class Change:
    """A user's edit of one job's spec."""

    job: str
    words: str
    """What a journal calls it."""
    spec: Spec
    """Fields of the spec and their new values."""


@dataclass(frozen=True)
class Killing:
    """Something is killed. `job` is whose, where it belongs to a job."""

    kill: Kill
    job: str
    away: float
    """Seconds until what was killed is started again; only the API server's are ours to choose."""

    def __str__(self) -> str:
        of_a_job = self.kill.startswith(("JobManager", "TaskManager"))
        return f"{self.kill} ({self.job})" if of_a_job else str(self.kill)


@dataclass(frozen=True)
class Settle:
    """Nothing is done until the job is what its spec wishes."""

    job: str


Step = Wait | Change | Killing | Settle


@dataclass(frozen=True)
class Subject:
    """A job as the choices know it: what may be done to it, and what was wished last."""

    name: str
    may_stop: bool = False
    """Its records need not be one gapless row, so its state may be discarded."""
    may_scale: bool = False
    """Its parallelism may change."""
    wish: str = "Running"
    spec: Spec = field(default_factory=dict)
    """What was chosen for the fields that edits change."""


def steps(seed: int, subjects: tuple[Subject, ...]) -> Iterator[Step]:
    """Endlessly: a changed wish, most often a kill or two in the middle of it, then a gap."""
    generator = random.Random(seed)
    jobs = {subject.name: subject for subject in subjects}
    number = 0
    while True:
        number += 1
        subject = generator.choice(list(jobs.values()))
        change, jobs[subject.name] = _change(generator, subject, number)
        yield change
        for chance in (0.8, 0.25):
            if generator.random() < chance:
                yield Wait(generator.uniform(*_DURING_AN_OPERATION))
                yield _killing(generator, subject.name, list(jobs))
        if generator.random() < 0.4:
            yield Settle(subject.name)
        longer = generator.random() < 0.15
        yield Wait(generator.uniform(*(_LONG_GAP if longer else _SHORT_GAP)))


def _change(generator: random.Random, subject: Subject, number: int) -> tuple[Change, Subject]:
    wishes = _wishes(subject)
    what = generator.choices(list(wishes), list(wishes.values()))[0]
    if what == "edit":
        edit = _edit(generator, subject)
        words = ", ".join(f"{key}: {value}" for key, value in edit.items())
        after = replace(subject, spec={**subject.spec, **edit})
        return Change(subject.name, f"edit {words}", edit), after
    if what in {"restartNonce", "snapshotNonce"}:
        return Change(subject.name, what, {what: f"soak-{number}"}), subject
    return Change(subject.name, what, {"desiredState": what}), replace(subject, wish=what)


def _wishes(subject: Subject) -> dict[str, int]:
    """What a user may want next, and how often relative to the rest."""
    stop = {"Stopped": 2} if subject.may_stop else {}
    if subject.wish == "Running":
        return {"Paused": 4, "edit": 2, "restartNonce": 2, "snapshotNonce": 2} | stop
    if subject.wish == "Paused":
        return {"Running": 6, "edit": 1} | stop
    return {"Running": 6, "edit": 1, "Paused": 1}


def _edit(generator: random.Random, subject: Subject) -> dict[str, Any]:
    """Other values than before, each of which is an Upgrade of a running job."""
    if subject.may_scale and generator.random() < 0.4:
        return {"parallelism": 3 - int(subject.spec.get("parallelism", 2))}
    key = "execution.checkpointing.interval"
    before = subject.spec.get("flinkConfiguration", {}).get(key, _INTERVALS[0])
    other = generator.choice([interval for interval in _INTERVALS if interval != before])
    return {"flinkConfiguration": {key: other}}


def _killing(generator: random.Random, job: str, jobs: list[str]) -> Killing:
    """Half of the kills hit the job whose wish has just changed, if they hit a job."""
    kill = generator.choices(list(_KILLS), list(_KILLS.values()))[0]
    whose = job if generator.random() < 0.5 else generator.choice(jobs)
    return Killing(kill, whose, generator.uniform(*_API_SERVER_AWAY))
