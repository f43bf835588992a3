"""What Flink's REST interface answers, typed, bounded and stripped of control characters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

OVER: Final = frozenset({"FINISHED", "FAILED", "CANCELED"})
"""States that a job never leaves."""


@dataclass(frozen=True)
class JobOverview:
    """One job of `GET /jobs/overview`, which Flink answers live (other replies may be 3 s old)."""

    job_id: str
    name: str
    state: str
    """Flink's own word: CREATED, RUNNING, RESTARTING, FAILED, CANCELED, FINISHED, and others."""
    tasks_total: int
    tasks_running: int
    tasks_finished: int
    last_modification: int
    """Milliseconds on Flink's clock: the last time the job or one of its tasks changed."""
    quiet_for: timedelta
    """Since the last change of the job or one of its tasks, on Flink's own clock."""
    asked_at: datetime | None = None
    """When Flink gave this answer, on its own clock; None once the job is over."""
    job_type: str = ""
    """STREAMING or BATCH; Flink 2.3 says it here, older versions only in the job's details."""

    @property
    def all_tasks_run(self) -> bool:
        """Every task runs or has finished, and at least one runs."""
        if self.job_type == "BATCH":
            return self.state == "RUNNING" and self.tasks_running > 0
        return (
            self.state == "RUNNING"
            and self.tasks_running > 0
            and self.tasks_running + self.tasks_finished == self.tasks_total
        )

    @property
    def is_over(self) -> bool:
        """The job has ended for good."""
        return self.state in OVER


@dataclass(frozen=True)
class Failure:
    """A root cause, fit to be shown: one or two lines, no stack, no option values."""

    message: str
    at: datetime | None = None
    exception: str = ""
    """The class name of the deciding exception, without its package."""
    in_program: bool = False
    """The program or the script itself failed, before any job was submitted."""


@dataclass(frozen=True)
class Checkpoint:
    """A completed checkpoint or savepoint that Flink names."""

    path: str
    taken_at: datetime
    """On the JobManager's clock, which may differ from every other one."""
    is_savepoint: bool = False
    number: int = 0
    """Flink's own, from one sequence for both kinds: the greater one is the newer one. 0 where it
    is not known: older than all others.
    """


@dataclass(frozen=True)
class Checkpoints:
    """`GET /jobs/:id/checkpoints` in brief."""

    completed: int
    failed: int
    newest: Checkpoint | None = None
    """The newest completed checkpoint that is still on disk (not a savepoint)."""
    savepoint: Checkpoint | None = None
    """The newest savepoint that Flink knows of."""
    restored_path: str | None = None
    failures: tuple[int, ...] = ()
    """Of checkpoints since the newest completed one, as far as Flink's history goes back: when they
    were triggered, in milliseconds on Flink's clock.
    """
    last_failure: str | None = None


@dataclass(frozen=True)
class SavepointResult:
    """What came of a savepoint request. In progress: neither path nor failure.

    Both: the savepoint is whole, and the job failed while it was stopping.
    """

    path: str | None = None
    failure: Failure | None = None
    unknown: bool = False
    """Flink never heard of this request."""
