"""What an inspector's pod tells, for every way in which it can end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from streamjob_operator.decide.observed import FoundState, Inspection
from streamjob_operator.observe_inspection import inspection_seen

pytestmark = pytest.mark.unit

PATH = "s3://bucket/jobs/cql-1/checkpoints/ab/chk-7"
NEWEST = f'{{"path": "{PATH}", "id": 7, "at": 1795420348996, "savepoint": false}}'
FOUND = f'{{"newest": {NEWEST}, "missing": [], "unreadable": ["s3://bucket/chk-3"]}}'
STATE = FoundState(PATH, 7, datetime(2026, 11, 23, 7, 52, 28, 996000, tzinfo=UTC))
UNREADABLE = ("s3://bucket/chk-3",)
LOOKED = "the job's storage could not be looked into: "
UNCLEAR = "the inspector pod ended without saying what lies in the storage"


def pod(phase: str, told: str | None = None, **status: Any) -> dict[str, Any]:
    ended = {"exitCode": 0, "reason": "Error"} | ({"message": told} if told else {})
    container = {"name": "flink-main-container", "state": {"terminated": ended}}
    return {
        "metadata": {"name": "orders-inspector-3", "labels": {"streamjob.dev/run": "3"}},
        "status": {"phase": phase, "containerStatuses": [container], **status},
    }


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_nothing_is_known_while_it_has_not_ended(phase: str) -> None:
    assert inspection_seen(pod(phase, FOUND)) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (FOUND, Inspection(3, newest=STATE, unreadable=UNREADABLE)),
        (
            FOUND.replace("false", "true"),
            Inspection(
                3,
                newest=FoundState(PATH, 7, STATE.taken_at, is_savepoint=True),
                unreadable=UNREADABLE,
            ),
        ),
        (
            '{"newest": null, "missing": ["s3://bucket/svp-1"], "unreadable": []}',
            Inspection(3, missing=("s3://bucket/svp-1",)),
        ),
        (None, Inspection(3, problem=UNCLEAR)),
        (FOUND[:-5], Inspection(3, problem=UNCLEAR)),
        ("[]", Inspection(3, problem=UNCLEAR)),
        ('{"newest": null}', Inspection(3, problem=UNCLEAR)),
        ('{"newest": {"path": "s3://b/chk-7"}, "missing": []}', Inspection(3, problem=UNCLEAR)),
        (FOUND.replace(PATH, "s3://b/\\u202echk-7"), Inspection(3, problem=UNCLEAR)),
        (FOUND.replace("1795420348996", "1e300"), Inspection(3, problem=UNCLEAR)),
    ],
)
def test_what_it_says_when_it_succeeded(message: str | None, expected: Inspection) -> None:
    assert inspection_seen(pod("Succeeded", message)) == expected


@pytest.mark.parametrize(
    ("message", "status", "problem"),
    [
        ('{"problem": "AccessDenied: no\\u0007 rights"}', {}, LOOKED + "AccessDenied: no rights"),
        ("no such file: lib", {}, LOOKED + "no such file: lib"),
        (None, {}, LOOKED + "Error"),
        (
            None,
            {"message": "The node was low on resource"},
            LOOKED + "The node was low on resource",
        ),
        (
            None,
            {"reason": "DeadlineExceeded"},
            "the inspector pod did not end within its time",
        ),
    ],
)
def test_why_it_failed(message: str | None, status: dict[str, Any], problem: str) -> None:
    assert inspection_seen(pod("Failed", message, **status)) == Inspection(3, problem=problem)


def test_a_pod_that_never_ran_tells_its_reason() -> None:
    evicted = pod("Failed", reason="Evicted")
    del evicted["status"]["containerStatuses"]
    assert inspection_seen(evicted) == Inspection(3, problem=LOOKED + "Evicted")


def test_a_long_problem_is_cut() -> None:
    seen = inspection_seen(pod("Failed", "x" * 4096))
    assert seen is not None
    assert len(seen.problem) <= 500
