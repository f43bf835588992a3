"""Upgrade, Restart, Snapshot: a job that runs is replaced, or saved while it goes on."""

from __future__ import annotations

import pytest

from streamjob_operator.flink.models import Failure
from streamjob_operator.kube import kinds
from tests.unit.reconcile.driver import SQL, Stage, paused, running

pytestmark = pytest.mark.unit


async def test_an_edit_replaces_the_run_from_a_snapshot() -> None:
    stage = await running()
    stage.edit(parallelism=3)

    await stage.settle()

    snapshot = stage.status.snapshot
    assert snapshot is not None
    assert snapshot.origin == "Upgrade"
    assert stage.job.restored_path == snapshot.path
    assert stage.states[-2:] == ["Operating", "Running"]
    assert stage.events[-4:] == ["Upgrading", "SnapshotTaken", "Upgrading", "Upgraded"]
    assert stage.status.run == 2
    assert stage.kubelet.violations == []


@pytest.mark.parametrize(
    "edit",
    [
        {"start": {"timeout": "5m"}},
        {"pause": {"timeout": "5m"}},
        {"retry": {"maxAttempts": 5}},
        {"upgrade": {"mode": "Stateless"}},
        {"restore": {"snapshot": "file:///elsewhere"}},
    ],
    ids=lambda edit: next(iter(edit)),
)
async def test_an_edit_that_is_no_upgrade_restarts_nothing(edit: dict[str, object]) -> None:
    stage = await running()
    stage.edit(**edit)

    await stage.settle()

    assert stage.status.run == 1
    assert stage.triggers == set()
    assert stage.status.observed_generation == 2
    assert stage.condition("Ready") == ("True", "Running")


async def test_a_stateless_upgrade_starts_empty() -> None:
    stage = await running(upgrade={"mode": "Stateless"})
    stage.edit(parallelism=3)

    await stage.settle()

    assert stage.job.restored_path is None
    assert stage.triggers == set()
    assert stage.status.run == 2


@pytest.mark.failure(
    what="The new spec can't start",
    shown="Running with the previous spec, `UpgradeFailed`, Stalled; event `RolledBack`",
    kept="the snapshot of the upgrade: the previous spec runs from it",
)
async def test_an_upgrade_that_cannot_start_goes_back_to_the_previous_spec() -> None:
    stage = await running()
    stage.flink.on_start[2] = lambda job: job.fail_in_program("no such class")
    stage.edit(parallelism=3)

    await stage.settle()

    snapshot = stage.status.snapshot
    assert snapshot is not None
    assert stage.status.run == 3
    assert stage.job.restored_path == snapshot.path
    assert stage.status.state == "Running"
    assert stage.warning == "UpgradeFailed"
    assert stage.conditions == {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}
    assert stage.events[-3:] == ["UpgradeFailed", "Upgrading", "RolledBack"]
    assert _taskmanagers(stage) == 1


async def test_an_upgrade_that_was_rolled_back_is_not_tried_again() -> None:
    stage = await running()
    stage.flink.on_start[2] = lambda job: job.fail_in_program("no such class")
    stage.edit(parallelism=3)
    await stage.settle()

    await stage.looks(1800)

    assert stage.status.run == 3
    assert stage.warning == "UpgradeFailed"


async def test_an_edit_after_a_rollback_is_an_upgrade_again() -> None:
    stage = await running()
    stage.flink.on_start[2] = lambda job: job.fail_in_program("no such class")
    stage.edit(parallelism=3)
    await stage.settle()
    stage.edit(parallelism=2)

    await stage.settle()

    assert stage.status.run == 4
    assert _taskmanagers(stage) == 2
    assert stage.conditions == {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


async def test_an_edit_back_after_a_rollback_clears_the_warning_and_restarts_nothing() -> None:
    stage = await running()
    stage.flink.on_start[2] = lambda job: job.fail_in_program("no such class")
    stage.edit(parallelism=3)
    await stage.settle()
    stage.edit(parallelism=None)

    await stage.settle()

    assert stage.status.run == 3
    assert stage.warning is None
    assert stage.condition("Ready") == ("True", "Running")


@pytest.mark.failure(
    what="Neither the new spec nor the previous one starts",
    shown="Paused, `UpgradeFailed`, Stalled",
    kept="the snapshot",
)
async def test_an_upgrade_whose_previous_spec_does_not_start_either_ends_paused() -> None:
    stage = await running()
    for run in (2, 3):
        stage.flink.on_start[run] = lambda job: job.fail_in_program("no such class")
    stage.edit(parallelism=3)

    await stage.settle()

    assert stage.status.state == "Paused"
    assert stage.warning == "UpgradeFailed"
    assert stage.status.snapshot is not None
    assert stage.conditions["Stalled"]


async def test_a_snapshot_after_a_rollback_does_not_bring_the_upgrade_back() -> None:
    stage = await running()
    stage.flink.on_start[2] = lambda job: job.fail_in_program("no such class")
    stage.edit(parallelism=3, snapshotNonce="1")

    await stage.settle()

    assert stage.status.snapshot is not None
    assert stage.status.snapshot.origin == "Manual"
    assert stage.status.run == 3
    assert stage.warning == "UpgradeFailed"


async def test_a_failed_snapshot_after_a_rollback_does_not_bring_the_upgrade_back() -> None:
    stage = await running()
    stage.flink.on_start[2] = lambda job: job.fail_in_program("no such class")
    stage.edit(parallelism=3, snapshotNonce="1")
    await stage.until(lambda it: it.status.run == 3 and it.flink.alive)
    stage.job.savepoints_fail = Failure("disk is full")

    await stage.settle()

    assert "SnapshotFailed" in stage.events
    assert stage.status.run == 3
    assert stage.warning == "UpgradeFailed"


@pytest.mark.failure(
    what="The snapshot for the upgrade fails",
    shown="Running, `UpgradeFailed`; Stalled when the attempts are used up",
    kept="the same run goes on",
)
async def test_an_upgrade_whose_snapshot_fails_leaves_the_job_running() -> None:
    stage = await running(retry={"maxAttempts": 1})
    stage.job.savepoints_fail = Failure("disk is full")
    stage.edit(parallelism=3)

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 1)
    assert stage.warning == "UpgradeFailed"
    assert stage.conditions == {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}


async def test_an_upgrade_whose_first_snapshot_failed_still_starts_the_new_spec() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.edit(parallelism=3)
    await stage.until(lambda it: it.warning == "UpgradeFailed")
    stage.job.savepoints_fail = None

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert _taskmanagers(stage) == 3


async def test_an_upgrade_of_a_job_that_keeps_restarting_goes_on_from_its_checkpoint() -> None:
    stage = await running()
    stage.job.restart("source lost")
    stage.edit(parallelism=2)

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.job.restored_path == stage.job_of(1).checkpoints[-1].path
    assert stage.triggers == set()


async def test_a_new_restart_nonce_restarts_from_a_snapshot() -> None:
    stage = await running()
    stage.edit(restartNonce="1")

    await stage.settle()

    snapshot = stage.status.snapshot
    assert snapshot is not None
    assert snapshot.origin == "Restart"
    assert stage.job.restored_path == snapshot.path
    assert stage.events[-1] == "Restarted"
    assert stage.status.run == 2


async def test_a_stateless_restart_is_a_fresh_run() -> None:
    stage = await running(upgrade={"mode": "Stateless"})
    stage.edit(restartNonce="1")

    await stage.settle()

    assert stage.job.restored_path is None
    assert (stage.status.run, stage.status.state) == (2, "Running")
    assert stage.events[-1] == "Restarted"


async def test_a_stateless_restart_drops_an_older_snapshot() -> None:
    stage = await paused(upgrade={"mode": "Stateless"})
    stage.wish("Running")
    await stage.settle()
    stage.edit(restartNonce="1")

    await stage.settle()

    assert stage.job.restored_path is None
    assert stage.status.snapshot is None


async def test_nonces_at_birth_are_the_baseline() -> None:
    stage = Stage()
    stage.apply(restartNonce="7", snapshotNonce="9")

    await stage.settle()

    assert stage.status.run == 1
    assert stage.triggers == set()


@pytest.mark.parametrize("wish", ["Paused", "Stopped"])
async def test_a_restart_nonce_is_without_effect_where_the_wish_is_not_to_run(wish: str) -> None:
    stage = await paused()
    stage.wish(wish)
    await stage.settle()
    stage.edit(restartNonce="1")
    await stage.settle()
    assert stage.status.state == wish
    stage.wish("Running")

    await stage.settle()

    assert stage.status.run == 2


async def test_a_script_in_a_config_map_counts_when_it_changes() -> None:
    stage = Stage()
    _script(stage, SQL)
    reference = {"configMapKeyRef": {"name": "script", "key": "job.sql"}}
    stage.apply(jar=None, sql={"scriptFrom": reference})
    await stage.settle()
    before = stage.status.script_hash
    _script(stage, SQL.replace("SELECT id", "SELECT id + 1"))

    await stage.settle()

    assert stage.status.run == 2
    assert stage.status.script_hash != before


def _script(stage: Stage, text: str) -> None:
    about = {"name": "script", "namespace": "shop"}
    stage.kube.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"job.sql": text}}
    )


def _taskmanagers(stage: Stage) -> int:
    return len(stage.kube.select(kinds.POD, "shop", "app.kubernetes.io/component=taskmanager"))
