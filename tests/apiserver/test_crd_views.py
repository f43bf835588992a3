"""What a user sees of a StreamJob through kubectl, and what becomes of what they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.apiserver.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

ROOT: Final = Path(__file__).parents[2]
MINIMAL: Final = Path(__file__).parent / "manifests" / "minimal-sql.yaml"
STATUS: Final[dict[str, Any]] = {
    "jobId": "cql-0a1b2c3d",
    "type": "SQL",
    "state": "Running",
    "runningCU": "1.5",
    "startTime": "2020-01-01T00:00:00Z",
    "run": 3,
    "zone": "zone-a",
    "warning": {
        "reason": "CheckpointsFailing",
        "message": "storage is full",
        "since": "2020-01-01T00:00:00Z",
    },
    "snapshot": {
        "id": "svp-0a1b2c3d4e5f",
        "path": "s3://bucket/jobs/x",
        "origin": "Pause",
        "takenAt": "2020-01-01T00:00:00Z",
    },
    "flink": {"restarts": 7, "version": "2.3.0"},
}


@pytest.fixture
def job(streamjobs: ApiServer, namespace: str) -> str:
    """The namespace of a job named minimal-sql, with a whole status."""
    streamjobs.kubectl("apply", "-n", namespace, "-f", str(MINIMAL))
    patch = json.dumps({"status": STATUS})
    arguments = ("streamjob/minimal-sql", "--subresource=status", "--type=merge", "-p", patch)
    streamjobs.kubectl("patch", "-n", namespace, *arguments)
    return namespace


def columns(table: str) -> list[str]:
    """The headings of a table by kubectl, which parts columns by at least two blanks."""
    return [
        heading for heading in table.splitlines()[0].replace("   ", "\t").split("\t") if heading
    ]


def test_the_table_shows_the_columns_of_the_contract(streamjobs: ApiServer, job: str) -> None:
    table = streamjobs.kubectl("get", "sj", "-n", job).stdout

    assert [heading.strip() for heading in columns(table)] == [
        *("NAME", "TYPE", "DESIRED", "STATE", "WARNING", "CU", "STARTED", "AGE"),
    ]
    cells = table.splitlines()[1].split()
    assert cells[:6] == ["minimal-sql", "SQL", "Running", "Running", "CheckpointsFailing", "1.5"]
    assert cells[6].endswith("y") or cells[6].endswith("d")


def test_the_wide_table_adds_the_details(streamjobs: ApiServer, job: str) -> None:
    table = streamjobs.kubectl("get", "streaming", "-n", job, "-o", "wide").stdout

    assert [heading.strip() for heading in columns(table)][8:] == [
        *("JOB ID", "RUN", "RESTARTS", "SNAPSHOT", "FLINK", "ZONE", "MESSAGE"),
    ]
    cells = table.splitlines()[1].split()
    assert cells[8:11] == ["cql-0a1b2c3d", "3", "7"]
    assert cells[12:] == ["2.3.0", "zone-a", "storage", "is", "full"]


def test_defaults_are_stored(streamjobs: ApiServer, job: str) -> None:
    spec = streamjobs.get("streamjob", "minimal-sql", "-n", job)["spec"]

    del spec["sql"]
    assert spec == {
        "desiredState": "Running",
        "flinkVersion": "2.3",
        "parallelism": 1,
        "resources": {"jobManager": {"cu": "0.5"}, "taskManager": {"cu": "1", "slots": 1}},
        "start": {"timeout": "10m"},
        "pause": {"timeout": "10m", "format": "Canonical", "onFailure": "KeepRunning"},
        "restore": {"allowNonRestoredState": False, "onExpiredOffsets": "Fail"},
        "upgrade": {"mode": "Savepoint"},
        "recovery": {"enabled": True, "maxAttempts": 5},
        "retry": {"maxAttempts": 3},
        "snapshots": {"retain": 10},
        "deletion": {"snapshot": False},
        "restartNonce": "",
        "snapshotNonce": "",
    }


def test_a_second_apply_changes_nothing(streamjobs: ApiServer, job: str) -> None:
    before = streamjobs.get("streamjob", "minimal-sql", "-n", job)["metadata"]
    said = streamjobs.kubectl("apply", "-n", job, "-f", str(MINIMAL)).stdout

    assert "unchanged" in said
    after = streamjobs.get("streamjob", "minimal-sql", "-n", job)["metadata"]
    assert after["resourceVersion"] == before["resourceVersion"]


def test_status_is_written_through_its_subresource_only(streamjobs: ApiServer, job: str) -> None:
    target = ("streamjob/minimal-sql", "-n", job, "--type=merge", "-p")
    streamjobs.kubectl("patch", *target, json.dumps({"status": {"state": "Paused"}}))
    patch = json.dumps({"spec": {"parallelism": 7}, "status": {"zone": "zone-b"}})
    streamjobs.kubectl("patch", *target, patch, "--subresource=status")

    found = streamjobs.get("streamjob", "minimal-sql", "-n", job)
    assert found["status"] == STATUS | {"zone": "zone-b"}
    assert found["spec"]["parallelism"] == 1
    assert found["metadata"]["generation"] == 1


def test_status_at_birth_is_dropped(streamjobs: ApiServer, namespace: str) -> None:
    born = yaml.safe_load(MINIMAL.read_text()) | {"status": {"state": "Running"}}
    streamjobs.apply(born, "-n", namespace)
    assert "status" not in streamjobs.get("streamjob", "minimal-sql", "-n", namespace)


def test_conditions_of_several_writers_live_side_by_side(streamjobs: ApiServer, job: str) -> None:
    for writer, kind in (("one", "Ready"), ("two", "Audited")):
        condition = {
            "type": kind,
            "status": "True",
            "reason": "Because",
            "message": "",
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        }
        streamjobs.apply(
            {
                "apiVersion": "streamjob.dev/v1alpha1",
                "kind": "StreamJob",
                "metadata": {"name": "minimal-sql", "namespace": job},
                "status": {"conditions": [condition]},
            },
            *("--server-side", "--subresource=status", f"--field-manager={writer}"),
        )
    found = streamjobs.get("streamjob", "minimal-sql", "-n", job)["status"]["conditions"]
    assert [condition["type"] for condition in found] == ["Ready", "Audited"]


def test_explain_describes_the_fields(streamjobs: ApiServer) -> None:
    said = " ".join(streamjobs.kubectl("explain", "streamjob.spec.pause").stdout.split())

    assert "How the job is paused." in said
    assert "KeepRunning: the job runs on, with a warning." in said
    assert "enum: Canonical, Native" in said
    assert "<string>" in said


def undescribed(schema: dict[str, Any], path: str) -> list[str]:
    """The fields below that say nothing about themselves."""
    implicit = path == "streamjob.metadata"
    found = [] if implicit or schema.get("description", "").endswith(".") else [path]
    for name, part in schema.get("properties", {}).items():
        found += undescribed(part, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if part in schema:
            found += undescribed(schema[part], f"{path}[]")
    return found


def test_every_field_is_described_with_a_sentence(streamjobs: ApiServer) -> None:
    crd = streamjobs.get("crd", "streamjobs.streamjob.dev")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert undescribed(schema, "streamjob") == []


def test_the_kind_is_well_known_to_kubectl(streamjobs: ApiServer) -> None:
    said = streamjobs.kubectl("api-resources", "--categories=streaming", "--no-headers").stdout
    assert said.split() == ["streamjobs", "sj", "streamjob.dev/v1alpha1", "true", "StreamJob"]
    crd = streamjobs.get("crd", "streamjobs.streamjob.dev")
    conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
    assert conditions.get("NonStructuralSchema", "False") == "False"
