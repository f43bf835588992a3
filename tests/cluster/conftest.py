"""Scenarios on the real cluster: real Flink, and the operator from its own image."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Job

ROOT = Path(__file__).parents[2]
TESTBED = ROOT / "tests" / "testbed" / "testbed"
NAMESPACE = "scenarios"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def _testbed(*args: str) -> str:
    done = subprocess.run(
        [TESTBED, *args], capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        pytest.exit(
            f"the test bed is not up ({done.stderr.strip()}): run `make cluster image` first"
        )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of the node in which pods of any user may write."""
    directory = Path(os.environ.get("STREAMJOB_TEST_DATA") or tmp_path_factory.mktemp("data"))
    for below in (directory, *directory.parents):
        if below == Path("/tmp"):
            break
        below.chmod(0o777)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(data: Path) -> Iterator[Cluster]:
    """The test bed with the operator deployed; foreign clusters are never touched."""
    kubeconfig = Path(_testbed("kubeconfig"))
    found = Cluster(kubeconfig, NAMESPACE, data)
    context = found.kubectl("config", "current-context").strip()
    if context != _testbed("context"):
        pytest.exit(f"refusing to test on the kube context {context}: it is not the test bed's")
    found.kubectl("apply", "-k", str(Path(__file__).parent / "operator"))
    operator = ("-n", "streamjob-system", "rollout")
    found.kubectl(*operator, "restart", "deployment/streamjob-operator")
    found.kubectl(*operator, "status", "deployment/streamjob-operator", "--timeout=110s")
    found.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true")
    found.kubectl("create", "namespace", NAMESPACE)
    yield found
    found.kubectl("delete", "streamjobs", "--all", "--wait=true", check=False)
    found.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="session")
def numbered_jar(data: Path) -> Path:
    """The example's JAR job, compiled; it is also the job of the invariant."""
    jar = data / "jars" / "numbered-records.jar"
    build = ROOT / "examples" / "numbered-records" / "build"
    subprocess.run([build, _testbed("flink-home"), jar], check=True, timeout=300)
    return jar


@pytest.fixture
def gone_afterwards(cluster: Cluster) -> Iterator[list[Job]]:
    """Jobs put into this list are deleted when the test is over, to make room for the next."""
    jobs: list[Job] = []
    yield jobs
    for job in jobs:
        cluster.kubectl("delete", "streamjob", job.name, "--ignore-not-found", "--wait=true")
