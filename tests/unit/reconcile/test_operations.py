"""The operations of the contract, section 2, each from the wish to the end."""

from __future__ import annotations

import pytest

from tests.unit.reconcile.driver import Stage, paused, running

pytestmark = pytest.mark.unit


async def test_run() -> None:
    stage = Stage()
    stage.apply()

    await stage.settle()

    assert stage.states == ["Operating", "Running"]
    assert stage.events == ["Starting", "Started"]
    assert stage.conditions == {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


async def test_pause() -> None:
    stage = await running()
    stage.wish("Paused")
    await stage.settle()
    assert stage.status.state == "Paused"


async def test_resume() -> None:
    stage = await paused()
    stage.wish("Running")
    await stage.settle()
    assert stage.status.state == "Running"
