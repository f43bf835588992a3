"""What users do to a job, and how the operator looks: the first half of the state machine.

A step is something that happens and the passes of the operator that follow it. The programs that
Hypothesis prints for a broken promise can be run as they are: see test_counterexamples.py.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.unit.reconcile.driver import JAR, SQL
from tests.unit.reconcile.watched import Watched

Result = TypeVar("Result")

PASSES: Final = st.integers(0, 4)
ON: Final = st.booleans()


def played(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run what never waits for anything real."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: Result = ended.value
        return result
    raise AssertionError("it waits for something real")


def happens(
    **drawn: st.SearchStrategy[Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule: something happens, then the operator looks a few times."""

    def accept(change: Callable[..., None]) -> Callable[..., None]:
        def step(self: Happenings, *, passes: int = 0, **values: Any) -> None:
            change(self, **values)
            self.looks(passes)

        step.__name__, step.__doc__ = change.__name__, change.__doc__
        step.__qualname__, step.__module__ = change.__qualname__, change.__module__
        # The overloads of `rule` take no arguments by name and value alone.
        made: Callable[..., None] = cast("Any", rule)(passes=PASSES, **drawn)(step)
        return made

    return accept


class Happenings(RuleBasedStateMachine):
    """One job, from its birth until all is well again."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Watched()
        self.nonces = 0
        self.broken = False
        """A promise was broken: what follows says no more."""

    @initialize(
        sql=st.booleans(),
        wish=st.sampled_from(["Running", "Running", "Paused", "Stopped"]),
        use_checkpoint=st.booleans(),
        quick=st.booleans(),
        recovers=st.booleans(),
        passes=st.integers(0, 20),
    )
    def made(
        self,
        *,
        sql: bool = False,
        wish: str = "Running",
        use_checkpoint: bool = False,
        quick: bool = False,
        recovers: bool = True,
        passes: int = 20,
    ) -> None:
        """The user makes the StreamJob. `quick`: with short timeouts."""
        timeout = "45s" if quick else "10m"
        pause = {"onFailure": "UseCheckpoint" if use_checkpoint else "KeepRunning"}
        self.stage.apply(
            jar=None if sql else JAR,
            sql={"script": SQL} if sql else None,
            desiredState=wish,
            start={"timeout": timeout},
            pause=pause | {"timeout": timeout},
            recovery={"enabled": recovers},
        )
        self.looks(passes)

    def looks(self, passes: int) -> None:
        """The operator looks so often."""
        for _ in range(passes):
            self._play(self.stage.look())

    def _play(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        try:
            return played(coroutine)
        except AssertionError as error:
            self.broken = True
            error.add_note(self.stage.told())
            raise

    @rule(passes=st.integers(1, 30))
    def time_passes(self, passes: int) -> None:
        """Nothing happens for a while."""
        self.looks(passes)

    # Users.

    def _edit(self, **fields: Any) -> None:
        self.stage.edit(**fields)
        self.stage.contract.edited()

    @happens(state=st.sampled_from(["Running", "Paused", "Stopped"]))
    def wish(self, state: str) -> None:
        self._edit(desiredState=state)

    @happens(silent=st.integers(0, 12))
    def slow_pause(self, silent: int = 0) -> None:
        """The savepoint takes long, and Flink can't be asked for so many passes of that time."""
        for job in self.stage.flink.alive:
            job.savepoints_wait = True
        self._edit(desiredState="Paused")
        self.looks(2)
        unreachable, self.stage.flink.unreachable = self.stage.flink.unreachable, True
        self.looks(silent)
        self.stage.flink.unreachable = unreachable

    @happens(parallelism=st.integers(1, 3))
    def edit(self, parallelism: int) -> None:
        self._edit(parallelism=parallelism)

    @happens(valid=ON)
    def edit_badly(self, *, valid: bool) -> None:
        self._edit(flinkVersion="2.3" if valid else "0.9")

    @happens()
    def restart_nonce(self) -> None:
        self.nonces += 1
        self._edit(restartNonce=str(self.nonces))

    @happens()
    def snapshot_nonce(self) -> None:
        self.nonces += 1
        self._edit(snapshotNonce=str(self.nonces))

    @happens(mode=st.sampled_from(["Savepoint", "Savepoint", "Stateless"]))
    def upgrade_mode(self, mode: str) -> None:
        self._edit(upgrade={"mode": mode})

    @happens(which=st.integers(-2, 2))
    def restore(self, which: int) -> None:
        """One of those that status lists; -1: none, -2: one that does not exist."""
        known = self.stage.status.snapshots
        name = known[which].id if 0 <= which < len(known) else None
        name = "file:///elsewhere/svp" if which == -2 else name
        self._edit(restore={"snapshot": name} if name else None)

    @happens(on=ON)
    def periodic_snapshots(self, *, on: bool) -> None:
        self._edit(snapshots={"every": "30s" if on else None, "retain": 2})

    @happens(last_snapshot=ON)
    def delete(self, *, last_snapshot: bool) -> None:
        self._edit(deletion={"snapshot": last_snapshot})
        self.stage.delete()
