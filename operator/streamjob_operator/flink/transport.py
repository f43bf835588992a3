"""HTTP to a JobManager, with the bounds that foreign input needs.

Replies are bounded in size and time, redirects are not followed, no cookies are kept, nothing is
decompressed, no proxy is used, and an answer of an unexpected shape is an error.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, TypeVar

import aiohttp
from pydantic import ValidationError

from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from streamjob_operator.flink.causes import failure_of_trace
from streamjob_operator.flink.replies import ErrorsReply, Reply
from streamjob_operator.flink.text import one_line

MAX_REPLY: Final = 1 << 20
"""Bytes of one reply. An overview takes 1 kB, a job's exceptions seldom more than 100 kB."""

KEEPALIVE: Final = timedelta(seconds=60)
"""How long an idle connection is kept; longer than the longest pause between two polls of a job."""

_NOT_NOW: Final = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)

_Answer = TypeVar("_Answer", bound=Reply)


class Transport:
    """Asks for JSON and reads it into a shape. `timeout` bounds each request as a whole."""

    def __init__(self, timeout: timedelta = timedelta(seconds=5)) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=4, keepalive_timeout=KEEPALIVE.total_seconds()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout.total_seconds()),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def ask(
        self,
        shape: type[_Answer],
        address: str,
        path: str,
        method: str = "GET",
        body: dict[str, Any] | None = None,
    ) -> _Answer:
        """Ask, and read the answer. Raises FlinkUnreachable or FlinkRejected."""
        status, content = await self._exchange(address, path, method, body)
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _refusal(f"{method} {path}", status, content)
        return _read(shape, content, f"{method} {path}")

    async def ask_if_known(self, shape: type[_Answer], address: str, path: str) -> _Answer | None:
        """Like ask, and None where Flink does not know what is asked for."""
        status, content = await self._exchange(address, path, "GET", None)
        if status == HTTPStatus.NOT_FOUND and _errors(content):
            return None
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _refusal(f"GET {path}", status, content)
        return _read(shape, content, f"GET {path}")

    async def _exchange(
        self, address: str, path: str, method: str, body: dict[str, Any] | None
    ) -> tuple[int, bytes]:
        asked = f"{method} {path}"
        try:
            async with self._session.request(
                method, address.rstrip("/") + path, json=body, allow_redirects=False
            ) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > MAX_REPLY:
                        raise FlinkUnreachable(f"{asked}: the reply is over {MAX_REPLY} bytes")
                return response.status, bytes(content)
        except TimeoutError as error:
            raise FlinkUnreachable(f"{asked}: no answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = one_line(str(error) or type(error).__name__, 200)
            raise FlinkUnreachable(f"{asked}: {text}") from error


def _read(shape: type[_Answer], content: bytes, asked: str) -> _Answer:
    try:
        return shape.model_validate_json(content or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the reply"
        raise FlinkUnreachable(
            one_line(
                f"{asked}: the answer is not Flink's ({place}: {first['msg']}); "
                "does something else answer at this address?"
            )
        ) from error


def _errors(content: bytes) -> tuple[str, ...]:
    try:
        return ErrorsReply.model_validate_json(content).errors
    except ValidationError:
        return ()


def _refusal(asked: str, status: int, content: bytes) -> FlinkRejected | FlinkUnreachable:
    """The error for an answer that is no 2xx.

    Flink says 500 when it looked at the request and failed, with the cause; 502 to 504 come from
    a proxy, or from a JobManager that is not the leader (yet).
    """
    errors = _errors(content)
    if status < HTTPStatus.BAD_REQUEST:
        return FlinkUnreachable(f"{asked}: HTTP {status}, a redirect: not followed")
    if status in _NOT_NOW or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and not errors):
        text = one_line(errors[0], 200) if errors else "no cause given"
        return FlinkUnreachable(f"{asked}: HTTP {status}, {text}")
    told = max(errors, key=len, default=f"HTTP {status}")
    cause = failure_of_trace(told.removeprefix("<Exception on server side:\n"))
    if cause.exception in {"AskTimeoutException", "TimeoutException", "FencingTokenException"}:
        return FlinkUnreachable(f"{asked}: HTTP {status}, {cause.message}")
    return FlinkRejected(cause.message)
