"""What a soak does is chosen by its seed alone, and reaches everything that may be done."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from tests.cluster.choices import Change, Kill, Killing, Step, Subject, Wait, steps

pytestmark = pytest.mark.unit

SUBJECTS = (Subject("exact", may_scale=True), Subject("lives", may_stop=True))


def first(number: int, seed: int = 7) -> list[Step]:
    return list(islice(steps(seed, SUBJECTS), number))


def changes_of(job: str, steps_: list[Step]) -> list[Change]:
    return [step for step in steps_ if isinstance(step, Change) and step.job == job]


def test_a_seed_gives_the_same_steps_again() -> None:
    assert first(500) == first(500)
    assert first(500) != first(500, seed=8)


def test_everything_that_can_be_killed_is_killed() -> None:
    assert {step.kill for step in first(2000) if isinstance(step, Killing)} == set(Kill)


def test_every_wish_comes_up() -> None:
    words = {step.words.split()[0] for step in changes_of("lives", first(2000))}
    assert words == {"Running", "Paused", "Stopped", "edit", "restartNonce", "snapshotNonce"}


def test_a_job_whose_records_are_one_row_is_never_stopped() -> None:
    assert all("Stopped" not in step.spec.values() for step in changes_of("exact", first(2000)))


def test_a_wish_is_never_wished_twice_in_a_row() -> None:
    for job in ("exact", "lives"):
        wishes = [step.spec.get("desiredState") for step in changes_of(job, first(2000))]
        told = ["Running", *(wish for wish in wishes if wish is not None)]
        assert all(one != other for one, other in pairwise(told))


def test_an_edit_always_changes_something() -> None:
    known: dict[str, object] = {
        "parallelism": 2,
        "flinkConfiguration": {"execution.checkpointing.interval": "2 s"},
    }
    edits = [step for step in changes_of("exact", first(2000)) if step.words.startswith("edit")]
    assert {key for edit in edits for key in edit.spec} == set(known)
    for edit in edits:
        assert any(known[key] != value for key, value in edit.spec.items())
        known |= edit.spec


def test_no_gap_is_longer_than_a_minute() -> None:
    gaps = [step.seconds for step in first(2000) if isinstance(step, Wait)]
    assert min(gaps) >= 0
    assert max(gaps) <= 60
