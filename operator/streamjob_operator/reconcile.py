"""One pass over one StreamJob: observe, decide, record, act.

The record comes before the act: whatever is done was announced in status, so an operator that is
cut off at any point finds there what it had begun. What comes of an act is never assumed; the next
pass observes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from streamjob_operator.act import act, announce
from streamjob_operator.api.run import JobRef
from streamjob_operator.api.status import State
from streamjob_operator.decide import Plan, decide
from streamjob_operator.decide.edited import refused, remembered
from streamjob_operator.decide.plan import Event, PutBack
from streamjob_operator.errors import (
    FlinkRejected,
    FlinkUnreachable,
    InvalidSpec,
    KubernetesError,
    Rejected,
)
from streamjob_operator.observe import Look, Memory, observe
from streamjob_operator.record import record
from streamjob_operator.world import World

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a pass."""

    look_again: timedelta
    settled: bool
    """Nothing of the job exists in the cluster but the resource itself."""
    follow_flink: bool
    """The job is in a state that Flink alone can change: ask it now and then."""
    run: int | None
    """The current run."""


async def reconcile(world: World, namespace: str, name: str, memory: Memory) -> Outcome | None:
    """Bring the job one step closer to its wish; None when the resource is gone.

    Safe to be cut off at any await. Raises KubernetesError when the API server does not answer or
    somebody wrote in between; the caller waits a little and calls again. Raises NotLeading when the
    lease is not surely held: nothing is written or done from then on.
    """
    look = await observe(world, namespace, name, memory)
    if look is None:
        return None
    seen = look.observed
    plan = decide(seen, world.settings, world.now())
    async with world.leading():
        version = await record(world, seen.job, look.version, seen.status, plan.status)
    if version is not None:
        memory.own_versions.add(version)
    for event in plan.events:
        await _announce(world, seen.job, event)
    await _carry_out(world, seen.job, plan, memory)
    return _outcome(look, plan)


async def _announce(world: World, job: JobRef, event: Event) -> None:
    """An event that can't be posted holds nothing up: status tells the same."""
    log.info("%s/%s: %s: %s", job.namespace, job.name, event.reason, event.message)
    try:
        async with world.leading():
            await announce(world, job, event)
    except KubernetesError as error:
        log.warning("%s/%s: event %s lost: %s", job.namespace, job.name, event.reason, error)


async def _carry_out(world: World, job: JobRef, plan: Plan, memory: Memory) -> None:
    """Do what was announced; a refusal is told to the next decision."""
    for action in plan.actions:
        memory.children = None
        if isinstance(action, PutBack):
            memory.put_backs = remembered(memory.put_backs, action, world.now())
        try:
            async with world.leading():
                await act(world, job, action)
        except (InvalidSpec, Rejected, FlinkRejected) as refusal:
            log.warning("%s/%s: refused: %s", job.namespace, job.name, refusal)
            if isinstance(action, PutBack):
                memory.put_backs = refused(memory.put_backs, action, str(refusal))
            else:
                memory.trouble = str(refusal)
            return
        except FlinkUnreachable as error:
            log.info("%s/%s: %s", job.namespace, job.name, error)
            return


def _outcome(look: Look, plan: Plan) -> Outcome:
    seen = look.observed
    empty = not (seen.pods or seen.inspectors or seen.runs or seen.high_availability)
    idle = plan.status.operation is None and not plan.actions
    return Outcome(
        look_again=plan.look_again,
        settled=empty and idle and plan.status.state in {State.STOPPED, State.PAUSED},
        follow_flink=idle and plan.status.state is State.RUNNING,
        run=plan.status.run,
    )
