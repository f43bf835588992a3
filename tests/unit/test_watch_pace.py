"""How often a watch is begun that does not last."""

from __future__ import annotations

import pytest

from streamjob_operator.handlers.session import BRIEF_SECONDS, LONGEST_PAUSE_SECONDS, WatchPace

pytestmark = pytest.mark.unit

PODS = "/api/v1/pods"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(pace: WatchPace, clock: Clock, lives: float) -> float:
    """Begin a watch that lives so long; returns the pause before it."""
    pause = pace.pause(PODS)
    clock.now += pause + lives
    return pause


def test_watches_that_end_at_once_are_begun_more_and_more_seldom(clock: Clock) -> None:
    pace = WatchPace(clock)
    pauses = [begun(pace, clock, lives=0.01) for _ in range(8)]
    assert pauses == [0, 1, 2, 4, 8, *[LONGEST_PAUSE_SECONDS] * 3]


def test_a_watch_that_has_lasted_is_begun_anew_at_once(clock: Clock) -> None:
    pace = WatchPace(clock)
    for _ in range(4):
        begun(pace, clock, lives=0.01)
    begun(pace, clock, lives=BRIEF_SECONDS)
    assert begun(pace, clock, lives=0.01) == 0
    assert begun(pace, clock, lives=0.01) == 1


def test_one_kind_does_not_wait_for_another(clock: Clock) -> None:
    pace = WatchPace(clock)
    begun(pace, clock, lives=0.01)
    assert pace.pause("/api/v1/services") == 0
