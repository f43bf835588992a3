"""Ask a JobManager what a decision needs, and no more."""

from __future__ import annotations

from typing import Final

from streamjob_operator.decide.observed import FlinkSeen
from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from streamjob_operator.flink.client import FlinkClient
from streamjob_operator.flink.models import Checkpoints, Failure, JobOverview, SavepointResult

IN_PROGRESS: Final = SavepointResult()


async def observe_flink(
    flink: FlinkClient,
    address: str,
    job_id: str,
    *,
    trigger_id: str | None,
    starting: bool,
    version: str | None,
) -> FlinkSeen:
    """What the run's JobManager says. `trigger_id`: a savepoint that is under way."""
    try:
        # Before the job: a savepoint that failed because the job fails is told with that state.
        savepoint = await _savepoint(flink, address, job_id, trigger_id)
        jobs = await flink.jobs(address)
        job = next((job for job in jobs if job.job_id == job_id), None)
        over = job is None or job.is_over
        application, failure = (
            await flink.application_failure(address) if over or starting else ("", None)
        )
        if job is not None and job.is_over:
            failure = await _failure(flink, address, job_id) or failure
        if over and savepoint == IN_PROGRESS:
            savepoint = await _savepoint(flink, address, job_id, trigger_id)
        return FlinkSeen(
            reachable=True,
            job=job,
            application=application,
            failure=failure,
            restarts=await _restarts(flink, address, job),
            savepoint=savepoint,
            checkpoints=await _checkpoints(flink, address, job),
            version=version or await flink.version(address),
            batch=job is not None and await _job_type(flink, address, job) == "BATCH",
        )
    except (FlinkUnreachable, FlinkRejected) as error:
        return FlinkSeen(problem=str(error))


async def _job_type(flink: FlinkClient, address: str, job: JobOverview) -> str:
    """Flink 2.3 says it in its overview; older ones have to be asked for it."""
    return job.job_type or await flink.job_type(address, job.job_id)


async def _failure(flink: FlinkClient, address: str, job_id: str) -> Failure | None:
    try:
        return await flink.failure(address, job_id)
    except FlinkRejected:
        return None


async def _restarts(
    flink: FlinkClient, address: str, job: JobOverview | None
) -> tuple[Failure, ...]:
    """The failures before which the job was restarted; the one that ended it is none of them."""
    if job is None or job.tasks_total == 0:
        return ()
    try:
        failures = await flink.restarts(address, job.job_id)
    except FlinkRejected:
        return ()
    return failures[1:] if job.state == "FAILED" else failures


async def _checkpoints(
    flink: FlinkClient, address: str, job: JobOverview | None
) -> Checkpoints | None:
    """None where Flink keeps none for the job, such as for the stand-in of a failed program."""
    if job is None or job.tasks_total == 0:
        return None
    try:
        return await flink.checkpoints(address, job.job_id)
    except FlinkRejected:
        return None


async def _savepoint(
    flink: FlinkClient, address: str, job_id: str, trigger_id: str | None
) -> SavepointResult | None:
    if trigger_id is None:
        return None
    try:
        return await flink.savepoint_result(address, job_id, trigger_id)
    except FlinkRejected:
        return None
