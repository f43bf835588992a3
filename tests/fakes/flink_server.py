"""The played Flinks behind Flink's REST interface, for an operator that is a process of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from streamjob_operator.flink.models import Checkpoint, Failure, JobOverview, SavepointResult
from tests.fakes.flink import FakeFlink

_APPLICATION: Final = "a" * 32
_DISPOSAL: Final = "d" * 32

_IDLE_SECONDS: Final = 8
"""Longer than between two polls of a job."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request of the operator's."""

    at: float
    """By `time.monotonic()`."""
    method: str
    host: str
    path: str


@dataclass
class FlinkServer:
    """All JobManagers on one port: the host that is asked for says which one is meant."""

    flink: FakeFlink
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def since(self, begun: float, until: float | None = None) -> list[Asked]:
        """What was asked in a time."""
        end = time.monotonic() if until is None else until
        return [each for each in self.asked if begun <= each.at < end]

    def application(self) -> web.Application:
        made = web.Application(middlewares=[self._answer])
        made.router.add_routes(
            [
                web.get("/jobs/overview", self._jobs),
                web.get("/jobs/{job}", self._job),
                web.patch("/jobs/{job}", self._cancel),
                web.get("/jobs/{job}/exceptions", self._exceptions),
                web.get("/jobs/{job}/checkpoints", self._checkpoints),
                web.post("/jobs/{job}/stop", self._stop),
                web.post("/jobs/{job}/savepoints", self._savepoint),
                web.get("/jobs/{job}/savepoints/{trigger}", self._result),
                web.post("/savepoint-disposal", self._dispose),
                web.get("/savepoint-disposal/{trigger}", self._disposed),
                web.get("/applications/overview", self._applications),
                web.get("/applications/{application}/exceptions", self._application_exceptions),
                web.get("/config", self._config),
            ]
        )
        return made

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Errors as Flink tells them, or no JobManager that could."""
        self.asked.append(Asked(time.monotonic(), request.method, request.host, request.path))
        try:
            return await handler(request)
        except FlinkUnreachable:
            return web.Response(status=503)
        except FlinkRejected as error:
            return web.json_response({"errors": [str(error)]}, status=404)

    async def _jobs(self, request: web.Request) -> web.Response:
        jobs = await self.flink.jobs(_address(request))
        return web.json_response({"jobs": [_overview(job) for job in jobs]})

    async def _job(self, request: web.Request) -> web.Response:
        kind = await self.flink.job_type(_address(request), request.match_info["job"])
        return web.json_response({"job-type": kind})

    async def _cancel(self, request: web.Request) -> web.Response:
        await self.flink.cancel(_address(request), request.match_info["job"])
        return web.json_response({}, status=202)

    async def _exceptions(self, request: web.Request) -> web.Response:
        failures = await self.flink.restarts(_address(request), request.match_info["job"])
        return _history(*failures)

    async def _checkpoints(self, request: web.Request) -> web.Response:
        found = await self.flink.checkpoints(_address(request), request.match_info["job"])
        return web.json_response(
            {
                "counts": {"completed": found.completed, "failed": found.failed},
                "latest": {
                    "completed": _checkpoint(found.newest),
                    "savepoint": _checkpoint(found.savepoint),
                    "restored": {"external_path": found.restored_path}
                    if found.restored_path
                    else None,
                },
            }
        )

    async def _stop(self, request: web.Request) -> web.Response:
        return await self._ask(request, self.flink.stop_with_savepoint, "targetDirectory")

    async def _savepoint(self, request: web.Request) -> web.Response:
        return await self._ask(request, self.flink.savepoint, "target-directory")

    async def _ask(
        self, request: web.Request, ask: Callable[..., Awaitable[None]], directory: str
    ) -> web.Response:
        body = await request.json()
        trigger = body["triggerId"]
        await ask(
            _address(request),
            request.match_info["job"],
            trigger_id=trigger,
            target_dir=body[directory],
            format=body["formatType"],
        )
        return web.json_response({"request-id": trigger}, status=202)

    async def _result(self, request: web.Request) -> web.Response:
        about = request.match_info
        result = await self.flink.savepoint_result(
            _address(request), about["job"], about["trigger"]
        )
        if result.unknown:
            return web.json_response({"errors": ["There is no savepoint operation"]}, status=404)
        return web.json_response(_background(result))

    async def _dispose(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self.flink.dispose_savepoint(_address(request), body["savepoint-path"])
        return web.json_response({"request-id": _DISPOSAL}, status=202)

    async def _disposed(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": {"id": "COMPLETED"}, "operation": {}})

    async def _applications(self, request: web.Request) -> web.Response:
        status, _ = await self.flink.application_failure(_address(request))
        return web.json_response({"applications": [{"id": _APPLICATION, "status": status}]})

    async def _application_exceptions(self, request: web.Request) -> web.Response:
        _, failure = await self.flink.application_failure(_address(request))
        return _history(*(() if failure is None else (failure,)))

    async def _config(self, request: web.Request) -> web.Response:
        return web.json_response({"flink-version": await self.flink.version(_address(request))})


@asynccontextmanager
async def flink_server(flink: FakeFlink) -> AsyncIterator[FlinkServer]:
    """Serve the played Flinks on a free port of the loopback interface."""
    made = FlinkServer(flink)
    # A JobManager that is gone keeps no connection; here the server itself stays.
    idle = {"keepalive_timeout": _IDLE_SECONDS}
    runner = web.AppRunner(made.application(), access_log=None, shutdown_timeout=0.1, **idle)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()


def _address(request: web.Request) -> str:
    return f"http://{request.host}"


def _overview(job: JobOverview) -> dict[str, Any]:
    return {
        "jid": job.job_id,
        "name": job.name,
        "state": job.state,
        "jobType": job.job_type,
        "start-time": job.last_modification,
        "duration": int(job.quiet_for.total_seconds() * 1000),
        "last-modification": job.last_modification,
        "tasks": {
            "total": job.tasks_total,
            "running": job.tasks_running,
            "finished": job.tasks_finished,
        },
    }


def _history(*failures: Failure) -> web.Response:
    entries = [
        {
            "exceptionName": "java.lang.Exception",
            "stacktrace": f"java.lang.Exception: {failure.message}",
            "timestamp": _millis(failure.at or datetime.now(UTC)),
        }
        for failure in failures
    ]
    return web.json_response({"exceptionHistory": {"entries": entries}})


def _checkpoint(made: Checkpoint | None) -> dict[str, Any] | None:
    if made is None:
        return None
    return {
        "id": made.number,
        "status": "COMPLETED",
        "is_savepoint": made.is_savepoint,
        "trigger_timestamp": _millis(made.taken_at),
        "latest_ack_timestamp": _millis(made.taken_at),
        "external_path": made.path,
    }


def _background(result: SavepointResult) -> dict[str, Any]:
    if result.path is None and result.failure is None:
        return {"status": {"id": "IN_PROGRESS"}}
    operation: dict[str, Any] = {}
    if result.failure is not None:
        trace = f"java.util.concurrent.CompletionException: {result.failure.message}"
        operation["failure-cause"] = {"stack-trace": trace}
    else:
        operation["location"] = result.path
    return {"status": {"id": "COMPLETED"}, "operation": operation}


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
