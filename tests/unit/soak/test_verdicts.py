"""What a soak makes of a status, and of the records that were committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.committed import Committed, of_lines, of_numbered_records
from tests.cluster.invariants import JobLook
from tests.cluster.verdicts import (
    is_given_up,
    is_settled,
    miscounted,
    outcome_of,
    wrong_at_the_end,
)

pytestmark = pytest.mark.unit

AT_THE_END = {
    "Ready": "True",
    "Reconciling": "False",
    "Stalled": "False",
    "Running": "False",
    "LastOperationSucceeded": "True",
    "SnapshotAvailable": "True",
}


def job(
    conditions: dict[str, str], *, generation: int = 2, observed: int = 2, **status: Any
) -> dict[str, Any]:
    told = [
        {"type": kind, "status": value, "observedGeneration": observed}
        for kind, value in conditions.items()
    ]
    return {
        "metadata": {"name": "job", "generation": generation},
        "status": {"state": "Paused", "runningCU": "0", "conditions": told, **status},
    }


def look(*args: Any, **kwargs: Any) -> JobLook:
    return JobLook(job(*args, **kwargs), (), steady=True)


def operation(kind: str, phase: str = "Starting") -> dict[str, Any]:
    return {"operation": {"type": kind, "phase": phase}}


def test_a_job_is_settled_when_it_is_ready_for_the_declared_generation() -> None:
    assert is_settled(look({"Ready": "True"}), 2)
    assert not is_settled(look({"Ready": "True"}), 3)
    assert not is_settled(look({"Ready": "True"}, observed=1), 2)
    assert not is_settled(look({"Ready": "False"}), 2)
    assert not is_settled(look({"Ready": "True"}, **operation("Snapshot")), 2)
    assert not is_settled(None, 1)


def test_a_job_is_given_up_when_it_is_stalled_for_the_newest_generation() -> None:
    assert is_given_up(look({"Stalled": "True"}))
    assert not is_given_up(look({"Stalled": "True"}, generation=3))
    assert not is_given_up(look({"Stalled": "False"}))


def test_nothing_is_wrong_with_a_job_that_is_paused_without_a_warning() -> None:
    assert wrong_at_the_end(job(AT_THE_END)) == []


@pytest.mark.parametrize(
    "body",
    [
        *(job(AT_THE_END | {kind: "Unknown"}) for kind in AT_THE_END),
        job(AT_THE_END, state="Stopped"),
        job(AT_THE_END, warning={"reason": "PauseFailed"}),
        job(AT_THE_END, runningCU="0.2"),
    ],
)
def test_anything_else_is_wrong_at_the_end(body: dict[str, Any]) -> None:
    assert len(wrong_at_the_end(body)) == 1


EXACT: dict[str, int] = {"records": 9, "doubled": 0, "lost": 0, "misnumbered": 0, "fresh_runs": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"lost": 1}, ["1 records lost"]),
        ({"doubled": 2}, ["2 records doubled"]),
        ({"misnumbered": 3}, ["3 records misnumbered"]),
        ({"fresh_runs": 2}, ["2 fresh runs instead of one: it has started empty"]),
        ({"records": 0, "fresh_runs": 0}, ["nothing is committed"]),
    ],
)
def test_the_records_are_one_row(changes: dict[str, int], words: list[str]) -> None:
    assert miscounted(Committed(**EXACT | changes), one_row=True) == words


def test_a_job_that_was_stopped_may_have_begun_anew() -> None:
    assert miscounted(Committed(**EXACT | {"fresh_runs": 4}), one_row=False) == []


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (operation("Pause"), ""),
        ({}, "Pause: ended"),
        ({"warning": {"reason": "PauseFailed"}}, "Pause: failed"),
        ({"warning": {"reason": "JobRestarting"}}, "Pause: ended"),
        (operation("Stop"), "Pause: overtaken"),
        (operation("Pause", phase="Ending"), ""),
    ],
)
def test_what_became_of_an_operation(after: dict[str, Any], outcome: str) -> None:
    assert outcome_of(operation("Pause"), after) == outcome


def test_without_an_operation_nothing_became_of_it() -> None:
    assert outcome_of({}, operation("Pause")) == ""


def written(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))


def test_lines_are_counted_from_one(tmp_path: Path) -> None:
    assert of_lines(tmp_path).records == 0
    written(tmp_path / "part-1", ["1", "2", "5"])
    written(tmp_path / "part-2", ["2"])
    written(tmp_path / ".part-3.inprogress", ["3"])
    assert of_lines(tmp_path) == Committed(
        records=4, doubled=1, lost=2, misnumbered=0, fresh_runs=1
    )


def test_only_the_last_fresh_run_can_lose_but_every_one_can_double(tmp_path: Path) -> None:
    assert of_numbered_records(tmp_path / "nowhere").records == 0
    written(tmp_path / "run-1" / "part-1", ["0,1,0", "0,3,2", "0,3,2"])
    written(tmp_path / "run-2" / "part-1", ["0,1,0", "0,2,1"])
    assert of_numbered_records(tmp_path) == Committed(
        records=5, doubled=1, lost=0, misnumbered=0, fresh_runs=2
    )
