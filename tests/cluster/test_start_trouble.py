"""Starts that find no room, and Upgrades that can't start: what is shown, and what runs then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Body, Cluster, Job, wait_for
from tests.cluster.records import committed_ids, run_that_is
from tests.cluster.troubles import SMALL, event_of, given_up
from tests.cluster.watching import watching

TOO_BIG = {"jobManager": {"cu": "0.25"}, "taskManager": {"cu": "64", "slots": 2}}
SCHEDULER = "nodes are available"

SCRIPT = """
CREATE TABLE numbers (id BIGINT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '200',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '200000'
);
CREATE TABLE kept (id BIGINT) WITH (
  'connector' = 'filesystem', 'path' = 'file:///data/kept', 'format' = 'csv',
  'sink.rolling-policy.rollover-interval' = '1 s', 'sink.rolling-policy.check-interval' = '1 s'
);
INSERT INTO kept SELECT id FROM numbers;
"""


def script(text: str = SCRIPT) -> Body:
    """A SQL job that writes consecutive numbers, each exactly once."""
    return {
        "sql": {"script": text},
        "resources": SMALL,
        "flinkConfiguration": {"execution.checkpointing.interval": "2 s"},
    }


@pytest.fixture(scope="module")
def job(cluster: Cluster) -> Iterator[Job]:
    """At first it asks for more than the node has."""
    job = cluster.stream_job("no-start", {**script(), "resources": TOO_BIG})
    yield job
    cluster.kubectl("delete", "streamjob", job.name, "--ignore-not-found", "--wait=true")


def goes_on(job: Job) -> None:
    """More is committed than before, without a gap and nothing twice."""
    data = job.cluster.data
    before = max(committed_ids(data / "kept"), default=0)
    run_that_is(data, lambda: max(committed_ids(data / "kept"), default=0) > before + 200)

    def exact() -> bool:
        numbers = committed_ids(data / "kept")
        return sorted(numbers) == list(range(1, max(numbers) + 1)) and set(numbers.values()) == {1}

    # A look between two files of one checkpoint shows a gap that the next look does not.
    run_that_is(data, exact, seconds=30)


@pytest.mark.failure(
    what="No room on the nodes",
    shown="Operating; after 30 s `PodsPending` with the pod and the scheduler's words; once the "
    "edited spec fits, Running without a warning",
    kept="the job, which starts as soon as it fits",
)
def test_pods_without_room_are_named_while_the_start_goes_on(job: Job, tmp_path: Path) -> None:
    with watching(job, tmp_path) as watch:
        status = job.warned("PodsPending", seconds=90)
        warning = status["warning"]
        (pod,) = job.pods("taskmanager")
        assert pod in warning["message"]
        assert SCHEDULER in warning["message"]
        assert "spec.resources" in warning["remedy"]
        assert (status["state"], status["operation"]["type"]) == ("Operating", "Run")
        assert job.condition("Ready")["status"] == "False"
        assert job.condition("Stalled")["status"] == "False"
        job.declare(resources=SMALL)
        status = job.settled("Running")
        shown = [pair for pair in watch.shown if pair[0]]
    assert "warning" not in status
    pending = [("Operating", ""), ("Operating", "PodsPending"), ("Operating", "")]
    assert shown == [*pending, ("Running", "")]
    goes_on(job)


@pytest.mark.failure(
    what="The new spec can't start",
    shown="bad SQL, or no room for it: Operating, then Running; `UpgradeFailed` with the "
    "root cause and a remedy from the moment it failed; Stalled, an event",
    kept="the state: the previous spec runs again from the snapshot of the Upgrade, no record lost "
    "or doubled",
)
@pytest.mark.parametrize(
    ("change", "cause", "remedy"),
    [
        (
            {"sql": {"script": SCRIPT.replace("FROM numbers", "FROM nobody")}},
            "Object 'nobody' not found",
            "",
        ),
        ({"resources": TOO_BIG, "start": {"timeout": "45s"}}, SCHEDULER, "spec.resources"),
    ],
    ids=["bad-sql", "too-big"],
)
def test_an_upgrade_that_cannot_start_leaves_the_previous_spec_running(
    job: Job, tmp_path: Path, change: Body, cause: str, remedy: str
) -> None:
    before = job.settled("Running")
    good = dict(job.spec)
    with watching(job, tmp_path) as watch:
        job.declare(**change)
        job.warned("UpgradeFailed")
        status = job.settled("Running")
        shown = watch.shown
    warning = status["warning"]
    assert cause in warning["message"], warning
    assert remedy in f"{warning['message']} {warning.get('remedy')}", warning
    # A pod that finds no node is named for the last part of the way.
    pending = [("Operating", "PodsPending")] if "resources" in change else []
    failed = [("Operating", "UpgradeFailed"), ("Running", "UpgradeFailed")]
    assert shown == [("Running", ""), ("Operating", ""), *pending, *failed]
    assert given_up(status)
    assert cause in event_of(job, "UpgradeFailed")
    assert status["run"] == before["run"] + 2, "one start that failed, one that went back"
    assert status["startedFrom"] == status["snapshot"]["path"]
    assert status["snapshot"]["origin"] == "Upgrade"
    goes_on(job)
    job.spec = {**good, "start": {"timeout": "600s"}}
    job.declare()
    wait_for(lambda: "warning" not in job.status or None, "the warning goes", 30, job.told)
    assert job.settled("Running")["run"] == status["run"], "what runs is what is declared again"
