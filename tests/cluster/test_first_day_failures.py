"""What a newcomer gets wrong on the first day: a true state, and a warning that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster, Job
from tests.cluster.records import numbered_records

GOOD = "CREATE TABLE n (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');\n"
SINK = "CREATE TABLE s (id BIGINT) WITH ('connector' = 'blackhole');\n"


def sql(script: str, **more: Any) -> dict[str, Any]:
    return {"sql": {"script": script}, "start": {"timeout": "300s"}, **more}


def jar_of(uri: str = "local:///data/jars/numbered-records.jar", **more: Any) -> dict[str, Any]:
    args = ["--output", "file:///data/unused"]
    jar = {"uri": uri, "mainClass": "dev.streamjob.examples.NumberedRecords", "args": args}
    return {"jar": {**jar, **more}, "retry": {"maxAttempts": 1}}


SPECS: dict[str, dict[str, Any]] = {
    "bad-sql": sql(GOOD + SINK + "INSERT INTO s SELECT id FROM nobody;"),
    "no-connector": sql(
        "CREATE TABLE k (id BIGINT) WITH ('connector' = 'kafka', 'topic' = 't',"
        " 'properties.bootstrap.servers' = 'b:9092', 'format' = 'json');\n"
        + SINK
        + "INSERT INTO s SELECT id FROM k;"
    ),
    "no-jar": jar_of("local:///data/jars/nowhere.jar"),
    "no-class": jar_of(mainClass="com.acme.Nobody"),
    "no-image": sql(
        GOOD + SINK + "INSERT INTO s SELECT id FROM n;",
        image="registry.invalid/flink:nowhere",
        start={"timeout": "45s"},
        retry={"maxAttempts": 1},
    ),
    "no-room": sql(
        GOOD + SINK + "INSERT INTO s SELECT id FROM n;",
        resources={"jobManager": {"cu": "0.1"}, "taskManager": {"cu": "64"}},
        start={"timeout": "60s"},
        retry={"maxAttempts": 1},
    ),
    "no-storage": sql(
        GOOD + SINK + "INSERT INTO s SELECT id FROM n;",
        storage={"uri": "file:///nowhere/streamjob"},
        retry={"maxAttempts": 1},
    ),
    "no-snapshot": sql(
        GOOD + SINK + "INSERT INTO s SELECT id FROM n;",
        restore={"snapshot": "file:///data/nowhere/savepoint-1"},
    ),
}

WORDS = {
    "bad-sql": ("RunFailed", "Object 'nobody' not found", "line 3"),
    "no-connector": ("RunFailed", "kafka", "spec.libraries"),
    "no-jar": ("RunFailed", "nowhere.jar", "spec.jar.uri"),
    "no-class": ("RunFailed", "com.acme.Nobody", "mainClass"),
    "no-image": ("RunFailed", "registry.invalid/flink:nowhere", "spec.image"),
    "no-room": ("RunFailed", "nodes are available", "spec.resources"),
    "no-storage": ("RunFailed", "isn't accessible", "spec.storage.uri"),
    "no-snapshot": ("RunFailed", "/data/nowhere/savepoint-1", "snapshot"),
}


@pytest.fixture(scope="module")
def failures(cluster: Cluster, numbered_jar: Path) -> dict[str, Job]:
    """All of them at once: they fail side by side."""
    del numbered_jar
    return {name: cluster.stream_job(name, spec) for name, spec in SPECS.items()}


@pytest.mark.failure(
    what="The job can't start: its script, program, image, storage or snapshot is at fault",
    shown="bad SQL, no connector, no jar, no class, no image, no room, no storage, no snapshot: "
    "Stopped, `RunFailed` with the root cause and a remedy; Stalled, 0 CU",
    kept="nothing: the job never ran, and its pods are gone",
)
@pytest.mark.parametrize("name", SPECS)
def test_the_run_is_stopped_with_the_root_cause_and_a_remedy(
    failures: dict[str, Job], name: str
) -> None:
    reason, cause, remedy = WORDS[name]
    job = failures[name]
    job.warned(reason, seconds=500)
    status = job.settled("Stopped")
    warning = status["warning"]
    assert warning["reason"] == reason
    said = f"{warning['message']} | {warning.get('remedy', '')}"
    assert cause in warning["message"], said
    assert remedy in said, said
    assert job.has_no_pods()
    assert status["runningCU"] == "0"
    conditions = {known["type"]: known["status"] for known in status["conditions"]}
    assert conditions["Ready"] == "False"
    assert conditions["Stalled"] == "True"
    assert conditions["LastOperationSucceeded"] == "False"
    assert reason in job.events()
    job.cluster.kubectl("delete", "streamjob", name, "--wait=true", "--timeout=60s")


@pytest.mark.failure(
    what="The edit is invalid",
    shown="Running, `InvalidSpec` with the wrong value; no warning once it is mended",
    kept="the same run in the same pods",
)
def test_an_invalid_edit_never_disturbs_the_running_job(
    cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job]
) -> None:
    job = cluster.stream_job("edited", numbered_records(numbered_jar, output="edited"))
    gone_afterwards.append(job)
    pods = sorted((job.settled("Running"), job.pods())[1])
    job.declare(flinkVersion="9.9")
    status = job.warned("InvalidSpec")
    assert status["state"] == "Running"
    assert "9.9" in status["warning"]["message"]
    assert job.condition("Ready")["reason"] == "InvalidSpec"
    assert sorted(job.pods()) == pods
    job.declare(flinkVersion="2.3")
    status = job.settled("Running")
    assert "warning" not in status
    assert status["run"] == 1
    assert sorted(job.pods()) == pods


def test_a_job_that_has_not_checkpointed_yet_can_be_paused(
    cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job]
) -> None:
    spec = numbered_records(numbered_jar, output="early")
    spec["flinkConfiguration"] = {"execution.checkpointing.interval": "1 h"}
    job = cluster.stream_job("early", spec)
    gone_afterwards.append(job)
    job.settled("Running")
    job.declare(desiredState="Paused")
    assert job.settled("Paused")["snapshot"]["origin"] == "Pause"
