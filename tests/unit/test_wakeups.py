"""The loops of jobs are woken."""

from __future__ import annotations

import pytest

from streamjob_operator.runtime.wakeups import Wakeups

pytestmark = pytest.mark.unit


def test_only_the_loop_of_the_named_job_is_woken() -> None:
    wakeups = Wakeups()
    with wakeups.subscribe("shop", "orders") as mine, wakeups.subscribe("shop", "totals") as other:
        wakeups.wake("shop", "orders")

        assert (mine.is_set(), other.is_set()) == (True, False)


def test_a_job_without_a_loop_is_woken_in_vain() -> None:
    Wakeups().wake("shop", "orders")


def test_of_two_loops_of_one_name_the_later_is_still_woken_after_the_first_has_left() -> None:
    wakeups = Wakeups()
    first = wakeups.subscribe("shop", "orders")
    first.__enter__()
    with wakeups.subscribe("shop", "orders") as later:
        first.__exit__(None, None, None)
        later.clear()

        wakeups.wake("shop", "orders")

        assert later.is_set()
