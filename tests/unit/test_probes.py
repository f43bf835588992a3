"""What the operator answers to the kubelet's probes."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from streamjob_operator.handlers.health import SILENT_SECONDS, answering_probes

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("silent_for", "ready"),
    [(0, 200), (SILENT_SECONDS - 0.1, 200), (SILENT_SECONDS, 503), (300, 503)],
)
async def test_without_answers_from_the_api_server_the_operator_lives_but_is_not_ready(
    silent_for: float, ready: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    async with (
        answering_probes(f"{base}/healthz", lambda: silent_for),
        aiohttp.ClientSession() as session,
        session.get(f"{base}/healthz") as alive,
        session.get(f"{base}/readyz") as answer,
    ):
        assert alive.status == 200
        assert answer.status == ready
        said = await answer.json()
        assert said == ({} if ready == 200 else {"reason": said["reason"]})
