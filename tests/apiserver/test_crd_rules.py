"""What the API server takes and what it refuses, and whether it says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from streamjob_operator.api import owned_keys
from streamjob_operator.api.owned_keys import refusal
from tests.apiserver.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

MANIFESTS: Final = Path(__file__).parent / "manifests"
SQL: Final = "minimal-sql"
JAR: Final = "minimal-jar"


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((MANIFESTS / f"{name}.yaml").read_text())
    return loaded


def merged(value: Any, patch: Any) -> Any:
    """The value after a JSON merge patch (RFC 7386): null removes."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, part in patch.items():
        if part is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), part)
    return result


def refused_with(server: ApiServer, name: str, patch: dict[str, Any]) -> str:
    """What the API server says when it refuses; an empty text when it does not."""
    path = "/apis/streamjob.dev/v1alpha1/namespaces/default/streamjobs?dryRun=All"
    answer = server.post(path, merged(manifest(name), patch))
    said: str = answer["message"] if answer["kind"] == "Status" else ""
    return said


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_good_manifests_are_taken(streamjobs: ApiServer, namespace: str, path: Path) -> None:
    streamjobs.kubectl("apply", "-n", namespace, "-f", str(path))


GOOD: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "a job may turn from sql to jar": (
        SQL,
        {"spec": {"sql": None, "jar": {"uri": "s3://b/x.jar"}}},
    ),
    "durations of several parts": (SQL, {"spec": {"pause": {"timeout": "1d2h3m4s500ms"}}}),
    "an hdfs jar": (JAR, {"spec": {"jar": {"uri": "hdfs://namenode:8020/x.jar"}}}),
    "an Azure storage": (JAR, {"spec": {"storage": {"uri": "abfs://c@a.dfs.core.windows.net/x"}}}),
    "a time with an offset": (
        SQL,
        {
            "spec": {
                "startFrom": {"position": "Timestamp", "timestamp": "2026-11-01T00:00:00.5+01:00"}
            }
        },
    ),
    "a snapshot as Flink names it": (SQL, {"spec": {"restore": {"snapshot": "file:/data/chk-3"}}}),
    "the most parallelism": (SQL, {"spec": {"parallelism": 32768}}),
    "a script of 100 kB": (SQL, {"spec": {"sql": {"script": "x" * 102400}}}),
    "a hundredth of a CU": (SQL, {"spec": {"resources": {"jobManager": {"cu": "0.010"}}}}),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_values_are_taken(streamjobs: ApiServer, case: str) -> None:
    assert refused_with(streamjobs, *GOOD[case]) == ""


def spec(name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return name, {"spec": fields}


ONE_OF: Final = "set exactly one of spec.sql and spec.jar"
ONE_SCRIPT: Final = "set exactly one of spec.sql.script and spec.sql.scriptFrom"
SCRIPT_FROM: Final = {"configMapKeyRef": {"name": "a", "key": "b"}}
DURATION: Final = "write a duration above zero, for example 90s, 10m or 1h30m"
CU: Final = 'cu must be a number above zero with at most three decimals, for example 2 or "0.5"'
NAME: Final = "metadata.name must be at most 40 characters long: lower-case letters, digits and '-'"
WHOLE_URI: Final = "write a whole URI, for example https://host/"

BAD: Final[dict[str, tuple[tuple[str, dict[str, Any]], str]]] = {
    "no spec": ((SQL, {"spec": None}), "spec: Required value"),
    "a name of 41 characters": ((SQL, {"metadata": {"name": "a" * 41}}), NAME),
    "a name that begins with a digit": ((SQL, {"metadata": {"name": "1a"}}), NAME),
    "a name with a dot": ((SQL, {"metadata": {"name": "a.b"}}), NAME),
    "neither sql nor jar": (spec(SQL, sql=None), ONE_OF),
    "both sql and jar": (spec(SQL, jar={"uri": "s3://b/x.jar"}), ONE_OF),
    "no script": (spec(SQL, sql={"script": None}), ONE_SCRIPT),
    "script and scriptFrom": (spec(SQL, sql={"scriptFrom": SCRIPT_FROM}), ONE_SCRIPT),
    "an empty script": (spec(SQL, sql={"script": ""}), "should be at least 1 chars long"),
    "a long script": (spec(SQL, sql={"script": "x" * 102401}), "may not be more than 102400 bytes"),
    "a long script in few characters": (
        spec(SQL, sql={"script": "語" * 40000}),
        "put this one into a ConfigMap and name it in spec.sql.scriptFrom",
    ),
    "scriptFrom without a key": (
        spec(SQL, sql={"script": None, "scriptFrom": {"configMapKeyRef": {"name": "a"}}}),
        "spec.sql.scriptFrom.configMapKeyRef.key: Required value",
    ),
    "startFrom of a JAR job": (
        spec(JAR, startFrom={"position": "Latest"}),
        "spec.startFrom is for SQL jobs only: remove it",
    ),
    "Timestamp without a time": (
        spec(SQL, startFrom={"position": "Timestamp"}),
        "position Timestamp needs a time: set spec.startFrom.timestamp",
    ),
    "a time without Timestamp": (
        spec(SQL, startFrom={"position": "Latest", "timestamp": "2026-11-01T00:00:00Z"}),
        "spec.startFrom.timestamp counts with position Timestamp only; remove it",
    ),
    "a time without a zone": (
        spec(SQL, startFrom={"position": "Timestamp", "timestamp": "2026-11-01T00:00:00"}),
        "spec.startFrom.timestamp in body should match",
    ),
    "a time that is none": (
        spec(SQL, startFrom={"position": "Timestamp", "timestamp": "2026-13-01T00:00:00Z"}),
        "must be of type date-time",
    ),
    "an unknown position": (
        spec(SQL, startFrom={"position": "Newest"}),
        'supported values: "Latest", "Earliest", "Timestamp"',
    ),
    "an unknown wish": (
        spec(SQL, desiredState="Pause"),
        'supported values: "Running", "Paused", "Stopped"',
    ),
    "an unknown field": (spec(SQL, paralelism=2), 'unknown field "spec.paralelism"'),
    "a jar without a uri": (spec(JAR, jar={"uri": None}), "spec.jar.uri: Required value"),
    "a jar by path": (spec(JAR, jar={"uri": "/opt/x.jar"}), WHOLE_URI + "job.jar"),
    "a jar by ftp": (spec(JAR, jar={"uri": "ftp://host/x.jar"}), WHOLE_URI + "job.jar"),
    "a jar with a blank": (spec(JAR, jar={"uri": "s3://b/x.jar y"}), WHOLE_URI + "job.jar"),
    "a jar with a line end": (spec(JAR, jar={"uri": "s3://b/x.jar\n"}), WHOLE_URI + "job.jar"),
    "a main class like an option": (
        spec(JAR, jar={"mainClass": "--job-id"}),
        "write the full name of a Java class, for example com.acme.Main",
    ),
    "numbers as arguments": (spec(JAR, jar={"args": [100]}), "must be of type string"),
    "a library by name": (spec(SQL, libraries=["kafka.jar"]), WHOLE_URI + "connector.jar"),
    "a version that is none": (spec(SQL, flinkVersion="latest"), 'a version such as "2.3"'),
    "a version without quotes": (spec(SQL, flinkVersion=2.3), "must be of type string"),
    "no parallelism": (spec(SQL, parallelism=0), "should be greater than or equal to 1"),
    "too much parallelism": (spec(SQL, parallelism=32769), "should be less than or equal to 32768"),
    "no slots": (
        spec(SQL, resources={"taskManager": {"slots": 0}}),
        "should be greater than or equal to 1",
    ),
    "65 slots": (
        spec(SQL, resources={"taskManager": {"slots": 65}}),
        "should be less than or equal to 64",
    ),
    "cu of nothing": (spec(SQL, resources={"jobManager": {"cu": 0}}), CU),
    "cu below zero": (spec(SQL, resources={"taskManager": {"cu": -1}}), CU),
    "cu of 0.0": (spec(SQL, resources={"taskManager": {"cu": "0.0"}}), CU),
    "cu with a unit": (spec(SQL, resources={"jobManager": {"cu": "500m"}}), CU),
    "storage by path": (spec(SQL, storage={"uri": "/data"}), "write a directory as scheme://path"),
    "storage with a query": (
        spec(SQL, storage={"uri": "s3://bucket/jobs?x=1"}),
        "write a directory as scheme://path",
    ),
    "storage with a line end": (
        spec(SQL, storage={"uri": "s3://bucket/jobs\n"}),
        "write a directory as scheme://path",
    ),
    "a snapshot like an option": (
        spec(SQL, restore={"snapshot": "--job-id"}),
        "write the id of a snapshot (svp-… or chk-…) or its whole path",
    ),
    "a Secret that can't be": (
        spec(SQL, sql={"secretRef": {"name": "Kafka Login"}}),
        "spec.sql.secretRef.name in body should match",
    ),
    "a number in flinkConfiguration": (
        spec(SQL, flinkConfiguration={"a.b": 1}),
        "spec.flinkConfiguration.a.b in body must be of type string",
    ),
    "a duration without a unit": (spec(SQL, start={"timeout": "10"}), DURATION),
    "a duration as a number": (spec(SQL, start={"timeout": 10}), "must be of type string"),
    "a duration of zero": (spec(SQL, pause={"timeout": "0s"}), DURATION),
    "a duration in words": (spec(SQL, snapshots={"every": "daily"}), DURATION),
    "a duration with a line end": (spec(SQL, snapshots={"every": "1h\n"}), DURATION),
    "an unknown format": (
        spec(SQL, pause={"format": "native"}),
        'supported values: "Canonical", "Native"',
    ),
    "an unknown onFailure": (
        spec(SQL, pause={"onFailure": "Stop"}),
        'supported values: "KeepRunning", "UseCheckpoint"',
    ),
    "an unknown onExpiredOffsets": (
        spec(SQL, restore={"onExpiredOffsets": "Ignore"}),
        'supported values: "Fail", "Skip"',
    ),
    "an unknown mode": (
        spec(SQL, upgrade={"mode": "LastState"}),
        'supported values: "Savepoint", "Stateless"',
    ),
    "nothing to retain": (
        spec(SQL, snapshots={"retain": 0}),
        "should be greater than or equal to 1",
    ),
    "eleven to retain": (spec(SQL, snapshots={"retain": 11}), "should be less than or equal to 10"),
    "no attempts": (spec(SQL, retry={"maxAttempts": 0}), "should be greater than or equal to 1"),
    "no recoveries": (
        spec(SQL, recovery={"maxAttempts": 0}),
        "should be greater than or equal to 1",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_values_are_refused_with_words(streamjobs: ApiServer, case: str) -> None:
    (name, patch), words = BAD[case]
    assert words in refused_with(streamjobs, name, patch)


REFUSED: Final = [
    *((key, "1") for owned in owned_keys.OWNED for key in owned.keys),
    *((f"{prefix}x", "1") for owned in owned_keys.OWNED for prefix in owned.prefixes),
    *((f"some.{word.upper()}.key", "1") for word in owned_keys.SENSITIVE_WORDS),
    (" rest.port", "1"),
    ("rest.port\n", "1"),
    ("", "1"),
    ("env.log.dir", "/x"),
    ("env.java.opts", "-Xmx1g"),
    ("env.java.opts.all", "-Da=$(id)"),
    ("env.java.opts.taskmanager", "-Da=`id`"),
    ("env.java.opts.jobmanager", "-Da=b;id"),
    ("env-java-opts-all", "-Da=b"),
    ("pipeline.name", "a\nb"),
    ("pipeline.name", "a\tb"),
]


def test_refused_flink_keys_are_refused_in_the_operators_words(streamjobs: ApiServer) -> None:
    for key, value in REFUSED:
        words = refusal(key, value)
        assert words is not None
        said = refused_with(streamjobs, *spec(SQL, flinkConfiguration={key: value}))
        assert words in said, key


def test_kubectl_names_all_refused_keys_with_their_remedies(streamjobs: ApiServer) -> None:
    keys = {"rest.port": "1", "parallelism.default": "2", "a.b": "c"}
    job = merged(manifest(SQL), {"spec": {"flinkConfiguration": keys}})
    said = streamjobs.apply(job, check=False).stderr
    assert "rest.port belongs to the operator: remove it" in said
    assert "parallelism.default belongs to the operator: use spec.parallelism" in said


def test_the_largest_configuration_is_within_the_servers_budget(streamjobs: ApiServer) -> None:
    keys = {f"env.java.opts.{'x' * 150}.{n}": "-Dy=z " * 100 for n in range(256)}
    assert refused_with(streamjobs, *spec(SQL, flinkConfiguration=keys)) == ""
