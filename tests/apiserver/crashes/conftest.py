"""An API server of its own for stages that are turned back in time again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.apiserver import ApiServer, ApiServerError, running_apiserver
from tests.apiserver.crashes.workers import SHARES, Workers

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def rewindable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With the operator's rights, and the namespaces of the stages.

    A list that is read through the server's watch cache waits up to 0.1 s after a write of another
    kind; without that cache it is read from etcd, and takes 2 ms.
    """
    directory = tmp_path_factory.mktemp("rewindable")
    try:
        with running_apiserver(directory, "--watch-cache=false") as server:
            for folder in ("crds", "deploy"):
                server.kubectl("apply", "-k", str(ROOT / folder))
            server.kubectl(
                *("wait", "--for=condition=Established", "crd/streamjobs.streamjob.dev"),
                "--timeout=30s",
            )
            for share in SHARES:
                server.kubectl("create", "namespace", share.namespace)
            yield server
    except ApiServerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def workers(rewindable: ApiServer) -> Workers:
    """Those that replay, with just the operator's own rights."""
    return Workers(rewindable, rewindable.kubeconfig_of("streamjob-system", "streamjob-operator"))
