"""Fixtures for tests on a real API server: the server, the CRD on it, and a namespace per test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.apiserver.apiserver import ApiServer, ApiServerError, running_apiserver
from tests.fakes.live import Live, live

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with nothing on it, for the whole session."""
    try:
        with running_apiserver(tmp_path_factory.mktemp("apiserver")) as server:
            yield server
    except ApiServerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def streamjobs(apiserver: ApiServer) -> ApiServer:
    """The API server with the StreamJob kind, as `kubectl apply -k crds/` gives it."""
    apiserver.kubectl("apply", "-k", str(ROOT / "crds"))
    apiserver.kubectl(
        "wait", "--for=condition=Established", "crd/streamjobs.streamjob.dev", "--timeout=30s"
    )
    return apiserver


@pytest.fixture(scope="session")
def deployed(streamjobs: ApiServer) -> ApiServer:
    """The API server with everything that `kubectl apply -k deploy/` makes; no pod ever runs."""
    streamjobs.kubectl("apply", "-k", str(ROOT / "deploy"))
    return streamjobs


@pytest.fixture(scope="session")
def operator_kubeconfig(deployed: ApiServer) -> Path:
    """A kubeconfig with just the operator's own rights, for an operator run by a test."""
    return deployed.kubeconfig_of("streamjob-system", "streamjob-operator")


@pytest.fixture
def namespace(apiserver: ApiServer) -> str:
    """A namespace of the test's own. It stays: without controllers none is ever removed."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    apiserver.kubectl("create", "namespace", name)
    return name


@pytest.fixture
async def cluster(
    deployed: ApiServer,
    namespace: str,
    operator_kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Live]:
    """Played nodes and Flinks in that namespace; no operator runs yet."""
    monkeypatch.setenv("KUBECONFIG", str(operator_kubeconfig))
    async with live(namespace, deployed.kubeconfig, operator_kubeconfig) as made:
        yield made
