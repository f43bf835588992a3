"""What a soak makes of a status: settled, given up, what became of an operation, and the end."""

from __future__ import annotations

from tests.cluster.committed import Committed
from tests.cluster.invariants import Body, JobLook


def is_given_up(look: JobLook) -> bool:
    """The operator waits for an edit, and knows of the newest one."""
    stalled = look.condition("Stalled")
    return (stalled.get("status"), stalled.get("observedGeneration")) == (
        "True",
        look.body["metadata"]["generation"],
    )


def is_settled(look: JobLook | None, generation: int) -> bool:
    """Ready for this very generation, with no snapshot being taken either."""
    if look is None or "operation" in look.status:
        return False
    ready = look.condition("Ready")
    return (ready.get("status"), ready.get("observedGeneration")) == ("True", generation)


def wrong_at_the_end(body: Body) -> list[str]:
    """What a job that is Paused, and has been left in peace, must not show."""
    look = JobLook(body, (), steady=True)
    expected = {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Running": "False",
        "LastOperationSucceeded": "True",
        "SnapshotAvailable": "True",
    }
    shown = {kind: str(look.condition(kind).get("status")) for kind in expected}
    words = [
        f"the condition {kind} is {shown[kind]}"
        for kind in expected
        if shown[kind] != expected[kind]
    ]
    if look.state != "Paused":
        words.append(f"the state is {look.state}")
    if "warning" in look.status:
        words.append(f"the warning {look.status['warning']['reason']} stands")
    if look.status.get("runningCU") != "0":
        words.append(f"runningCU is {look.status.get('runningCU')}")
    return words


def miscounted(found: Committed, *, one_row: bool) -> list[str]:
    """What is wrong with the records. `one_row`: the job was never stopped, so it began once."""
    words = [
        f"{number} records {what}"
        for what, number in (
            ("lost", found.lost),
            ("doubled", found.doubled),
            ("misnumbered", found.misnumbered),
        )
        if number
    ]
    if not found.records:
        words.append("nothing is committed")
    elif one_row and found.fresh_runs != 1:
        words.append(f"{found.fresh_runs} fresh runs instead of one: it has started empty")
    return words


def outcome_of(before: Body, after: Body) -> str:
    """What became of the operation of the first status, if the second shows that it is over."""
    old, new = before.get("operation"), after.get("operation")
    if old is None or (new and new["type"] == old["type"]):
        return ""
    kind = old["type"] if "phase" in old else "Recover by Flink"
    if after.get("warning", {}).get("reason") == f"{kind}Failed":
        return f"{kind}: failed"
    return f"{kind}: {'overtaken' if new else 'ended'}"
