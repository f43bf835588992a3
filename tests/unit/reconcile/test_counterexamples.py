"""Programs that once broke a promise of the contract, found at random and shrunk.

Each is a program of the state machine in machine.py, in the form in which Hypothesis prints it;
the machine holds every step, and the end, against the contract. The promises that are still broken
are marked as such.
"""

from __future__ import annotations

import pytest

from tests.unit.reconcile.machine import Machine

pytestmark = pytest.mark.unit


def test_a_start_that_nobody_could_ask_in_time_is_not_repeated_from_nothing() -> None:
    state = Machine()
    state.made(quick=True, passes=1)
    state.flink_answers(answers=False, passes=2)
    state.operator_sleeps(seconds=60, passes=4)
    state.teardown()


def test_a_start_that_ended_unseen_and_lost_its_jobmanager_is_not_repeated_from_nothing() -> None:
    state = Machine()
    state.runs_will(program="checkpoints and fails")
    state.made(passes=1)
    state.stage.job.replace_jobmanager()
    state.looks(4)
    state.teardown()


def test_a_resume_that_ended_unseen_and_lost_its_jobmanager_is_not_repeated_from_its_snapshot() -> (
    None
):
    state = Machine()
    state.made()
    state.wish(state="Paused", passes=4)
    state.runs_will(program="checkpoints and fails")
    state.wish(state="Running", passes=1)
    state.stage.job.replace_jobmanager()
    state.looks(4)
    state.teardown()


def test_a_job_cancelled_from_outside_while_it_starts_is_not_started_from_nothing() -> None:
    state = Machine()
    state.made(passes=1)
    state.job_ends(cancelled=True)
    state.time_passes(passes=10)
    state.teardown()


def test_what_is_deleted_with_a_bad_edit_is_not_given_up() -> None:
    state = Machine()
    state.made(passes=0)
    state.edit_badly(valid=False)
    state.stage.delete()
    state.looks(1)
    shown = {each.type: each.status for each in state.stage.history[-1].conditions}
    assert shown["Stalled"] == "False"


def test_a_cancelled_job_is_told_again_when_a_bad_edit_is_mended() -> None:
    state = Machine()
    state.made()
    state.job_ends(cancelled=True, passes=4)
    state.edit_badly(valid=False, passes=2)
    state.edit_badly(valid=True, passes=2)
    assert state.stage.warning == "JobCancelled"
    state.teardown()


def test_a_failed_start_stays_told_while_its_pods_lie_on_a_lost_node() -> None:
    state = Machine()
    state.made(passes=1)
    state.node_answers(answers=False)
    state.flink_gives_up()
    state.pod_is_killed(component="jobmanager", passes=8)
    assert state.stage.warning == "RunFailed"
    state.operator_sleeps(seconds=700, passes=2)
    assert state.stage.warning == "RunFailed"
    state.teardown()


def test_a_mistyped_restore_is_not_followed_by_a_start_from_nothing() -> None:
    state = Machine()
    state.made(recovers=False)
    state.flink_gives_up(passes=6)
    kept = state.stage.status.snapshot
    assert kept is not None
    state.restore(which=-2, passes=10)
    state.restore(which=-1, passes=10)
    assert state.stage.job.restored_path in {kept.path, "file:///elsewhere/svp"}
    state.teardown()


def test_a_job_that_can_not_be_kept_up_without_its_record_is_given_up() -> None:
    state = Machine()
    state.made()
    state.child_is_deleted(child="record")
    state.child_is_deleted(child="taskmanager", passes=10)
    assert state.stage.conditions["Stalled"]


def test_a_job_that_ended_unseen_is_told_with_a_remedy() -> None:
    state = Machine()
    state.made(recovers=False)
    state.flink_gives_up()
    state.pod_is_killed(component="jobmanager")
    state.time_passes(passes=200)
    warning = state.stage.status.warning
    assert warning is not None
    assert warning.remedy
