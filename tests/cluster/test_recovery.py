"""A job that fails while it runs: the truth about it, and no record lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Job, wait_for
from tests.cluster.records import numbered_records, report, run_that_is


def failing_while(file: Path, jar: Path, output: str, **changes: str) -> dict[str, object]:
    """The numbered-records job, which throws as long as the file is there."""
    spec = numbered_records(jar, output=output)
    spec["jar"]["args"] += ["--fail-when-file", f"/data/{file.name}"]
    spec["flinkConfiguration"].update(changes)
    return spec


def exact_again(job: Job, output: str) -> None:
    """More is committed than before, and all of it exactly once."""
    data = job.cluster.data
    before = report(data, output).latest.highest
    run_that_is(data, lambda: report(data, output).latest.highest > before + 400)
    run_that_is(data, lambda: bool(report(data, output).latest.exact), seconds=30)


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="event `JobFailed`; then Running without a warning, a new run",
    kept="a checkpoint: the new run starts from it, every record exactly once",
)
def test_a_job_that_flink_gave_up_is_recovered_from_its_newest_checkpoint(
    cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job]
) -> None:
    trouble = cluster.data / "give-up"
    spec = failing_while(trouble, numbered_jar, "recovered", **{"restart-strategy.type": "disable"})
    job = cluster.stream_job("recovered", spec)
    gone_afterwards.append(job)
    job.settled("Running")
    exact_again(job, "recovered")
    trouble.touch()
    wait_for(lambda: "JobFailed" in job.events() or None, "JobFailed is told", 60, job.told)
    trouble.unlink()
    status = job.settled("Running")
    assert status["run"] > 1
    assert "/chk-" in status["startedFrom"]
    assert "warning" not in status
    exact_again(job, "recovered")


@pytest.mark.failure(
    what="Flink restarts the job",
    shown="again and again: Operating, operation Recover, `JobRestarting` with the cause; then "
    "Running, where the warning stays for a while",
    kept="the same run, every record exactly once",
)
def test_a_job_that_keeps_restarting_says_so_and_why(
    cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job]
) -> None:
    trouble = cluster.data / "keeps-failing"
    job = cluster.stream_job("restarting", failing_while(trouble, numbered_jar, "restarting"))
    gone_afterwards.append(job)
    job.settled("Running")
    trouble.touch()
    status = job.warned("JobRestarting", seconds=120)
    assert trouble.name in status["warning"]["message"]
    assert status["state"] == "Operating"
    assert status["operation"]["type"] == "Recover"
    assert "phase" not in status["operation"]
    trouble.unlink()
    status = job.settled("Running")
    assert status["run"] == 1
    assert status["warning"]["reason"] == "JobRestarting", "it stays until it ran quietly a while"
    exact_again(job, "restarting")
