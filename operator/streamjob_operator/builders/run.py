"""From a run's record to all of its objects, and back from its ConfigMap to the record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from streamjob_operator.api.constants import (
    BLOB_PORT,
    GROUP,
    JOBMANAGER,
    METRICS_PORT,
    REST_PORT,
    RPC_PORT,
)
from streamjob_operator.api.run import (
    JobRef,
    RunRecord,
    account_name,
    jobmanager_name,
    run_name,
    taskmanager_name,
)
from streamjob_operator.builders.access import role, role_binding, service_account
from streamjob_operator.builders.configuration import config_yaml
from streamjob_operator.builders.metadata import (
    content_hash,
    metadata,
    owner_reference,
    run_labels,
)
from streamjob_operator.builders.network import network_policy
from streamjob_operator.builders.pods import (
    SCRIPT_KEY,
    jobmanager_deployment,
    taskmanager_deployment,
)
from streamjob_operator.errors import InvalidSpec

__all__ = [
    "job_objects",
    "objects_of",
    "owner_reference",
    "record_of",
    "run_config_map",
    "run_objects",
]

DATA_HASH: Final = f"{GROUP}/data-hash"
"""Annotation of a run's ConfigMap: a hash of its data, by which the record is known to be whole."""

_RECORD_KEY: Final = "run.json"
_OBJECTS_KEY: Final = "objects.json"
_LARGEST_CONFIG_MAP: Final = 1_000_000
"""Bytes. The API server takes a MiB, metadata included."""

_LOGGING: Final = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.type = Console
appender.console.name = Console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1.} %x - %m%n
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
logger.entrypoint.name = org.apache.flink.runtime.entrypoint.ClusterEntrypoint
logger.entrypoint.level = INFO
logger.entrypoint.appenderRef.termination.ref = Termination
logger.entrypoint.appenderRef.termination.level = ERROR
appender.termination.name = Termination
appender.termination.type = File
appender.termination.fileName = /dev/termination-log
appender.termination.layout.type = PatternLayout
appender.termination.layout.pattern = %m%n%ex{filters(java.,jdk.,org.apache.pekko,scala.)}
"""
"""Everything to standard output, where `kubectl logs` finds it; Flink's own file also writes to the
disk. What ends the process goes to Kubernetes' termination message too: the last lines of the log,
which Kubernetes would take otherwise, seldom hold the cause."""


def run_config_map(record: RunRecord, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The immutable ConfigMap of a run: its record and the files that its pods read.

    Raises InvalidSpec when the spec can't be turned into a Flink configuration or is too large to
    be kept.
    """
    data = {
        # The script is a file of its own, so that a large one is not kept twice.
        _RECORD_KEY: json.dumps(_without_script(record), sort_keys=True, ensure_ascii=False),
        # As built now: a newer operator would build others, and put them in place of these.
        _OBJECTS_KEY: json.dumps(run_objects(record, owner), sort_keys=True, ensure_ascii=False),
        "config.yaml": config_yaml(record),
        "log4j-console.properties": _LOGGING,
    }
    if record.script is not None:
        data[SCRIPT_KEY] = record.script
    size = sum(len(key) + len(text.encode()) for key, text in data.items())
    if size > _LARGEST_CONFIG_MAP:
        raise InvalidSpec(
            f"the run's ConfigMap would be {size:,} bytes large and can be {_LARGEST_CONFIG_MAP:,}:"
            " shorten the script (it is kept as written and as run) or the pod templates"
        )
    name = run_name(record.job.name, record.run)
    labels = run_labels(record.job, record.run)
    about = metadata(name, record.job, labels, owner)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": about | {"annotations": {DATA_HASH: content_hash(data)}},
        "immutable": True,
        "data": data,
    }


def record_of(config_map: Mapping[str, Any]) -> RunRecord:
    """The record that a run's ConfigMap holds.

    Raises ValueError when the ConfigMap is not as the operator wrote it.
    """
    about = config_map.get("metadata") or {}
    name = about.get("name", "")
    data = config_map.get("data") or {}
    if (about.get("annotations") or {}).get(DATA_HASH) != content_hash(data):
        raise ValueError(f"ConfigMap {name} was changed after the operator wrote it")
    try:
        kept = json.loads(data[_RECORD_KEY])
        record = RunRecord.model_validate(kept | {"script": data.get(SCRIPT_KEY)})
    except (KeyError, TypeError, json.JSONDecodeError, ValidationError) as error:
        raise ValueError(f"ConfigMap {name} holds no run record: {error}") from error
    if name != run_name(record.job.name, record.run):
        raise ValueError(f"ConfigMap {name} holds the record of run {record.run}")
    return record


def objects_of(config_map: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The run's Service and Deployments as they were first applied, from its ConfigMap.

    Raises ValueError when the ConfigMap is not as the operator wrote it.
    """
    record = record_of(config_map)
    name = run_name(record.job.name, record.run)
    try:
        kept = tuple(json.loads(config_map["data"][_OBJECTS_KEY]))
        if all(_is_of_run(body, record) for body in kept):
            return kept
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"ConfigMap {name} holds no objects: {error}") from error
    raise ValueError(f"ConfigMap {name} holds objects that are not of run {record.run}")


def _is_of_run(body: Mapping[str, Any], record: RunRecord) -> bool:
    """Who may write ConfigMaps must not get others made by it, or another account for the pods."""
    job, run = record.job, record.run
    names = {
        ("v1", "Service", jobmanager_name(job.name, run)),
        ("apps/v1", "Deployment", jobmanager_name(job.name, run)),
        ("apps/v1", "Deployment", taskmanager_name(job.name, run)),
    }
    about, template = body["metadata"], body["spec"].get("template") or {}
    account = (template.get("spec") or {}).get("serviceAccountName", account_name(job.name))
    return (
        (body["apiVersion"], body["kind"], about["name"]) in names
        and about["namespace"] == job.namespace
        and account == account_name(job.name)
    )


def run_objects(record: RunRecord, owner: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The objects of a run besides its ConfigMap, in the order in which they are to be made.

    Raises InvalidSpec for pods too small for Flink.
    """
    return (
        _service(record, owner),
        taskmanager_deployment(record, owner),
        jobmanager_deployment(record, owner),
    )


def job_objects(
    job: JobRef,
    owner: Mapping[str, Any],
    *,
    operator_namespace: str,
    metrics_namespace: str | None = None,
) -> tuple[dict[str, Any], ...]:
    """The objects that all runs of a job share.

    `operator_namespace` is where the operator's own pods run, `metrics_namespace` the one whose
    pods may read the metrics port.
    """
    return (
        service_account(job, owner),
        role(job, owner),
        role_binding(job, owner),
        network_policy(job, owner, operator_namespace, metrics_namespace),
    )


def _without_script(record: RunRecord) -> dict[str, Any]:
    return {key: value for key, value in record.to_wire().items() if key != "script"}


def _service(record: RunRecord, owner: Mapping[str, Any]) -> dict[str, Any]:
    ports = {"rest": REST_PORT, "rpc": RPC_PORT, "blob": BLOB_PORT, "metrics": METRICS_PORT}
    labels = run_labels(record.job, record.run, JOBMANAGER)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(
            jobmanager_name(record.job.name, record.run), record.job, labels, owner
        ),
        "spec": {
            "selector": labels,
            # A JobManager that does not lead yet, or never will, still has to be asked why.
            "publishNotReadyAddresses": True,
            "ports": [
                {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}
                for name, port in ports.items()
            ],
        },
    }
