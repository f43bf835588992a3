"""The two Deployments of a run: one JobManager, and as many TaskManagers as the parallelism needs.

They follow the contract of Flink's official image: `docker-entrypoint.sh standalone-
job|taskmanager`, with the configuration mounted over conf/ as in Flink's "Standalone Kubernetes"
documentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamjob_operator.api.constants import (
    BLOB_PORT,
    JOBMANAGER,
    MAIN_CONTAINER,
    METRICS_PORT,
    REST_PORT,
    RPC_PORT,
    TASKMANAGER,
    TASKMANAGER_DATA_PORT,
    TASKMANAGER_RPC_PORT,
)
from streamjob_operator.api.run import (
    RunRecord,
    account_name,
    jobmanager_name,
    run_name,
    taskmanager_name,
)
from streamjob_operator.builders.configuration import ARTIFACTS_DIR
from streamjob_operator.builders.merge import strategic_merge
from streamjob_operator.builders.metadata import metadata, run_labels
from streamjob_operator.builders.resources import PodSize, checked_size

CONFIGURATION_KEYS: Final = ("config.yaml", "log4j-console.properties")
SCRIPT_KEY: Final = "job.sql"
"""Keys of the run's ConfigMap that the pods see as files."""

_CONFIGURATION_DIR: Final = "/opt/flink/conf"
_SCRIPT_DIR: Final = "/opt/flink/job"
_SQL_DRIVER: Final = "org.apache.flink.table.runtime.application.SqlDriver"

_FLINK_USER: Final = 9999
"""The user `flink` of the official image."""

_GRACE_SECONDS: Final = 10
"""Flink ends within a second of SIGTERM; the scripts that start it ignore it."""


def jobmanager_deployment(record: RunRecord, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The JobManager: always one, and never two at a time."""
    size = checked_size("jobManager", record.spec.resources.job_manager.cu, record.gib_per_cu)
    container = {
        "args": jobmanager_arguments(record),
        "ports": _ports(rest=REST_PORT, rpc=RPC_PORT, blob=BLOB_PORT, metrics=METRICS_PORT),
        "readinessProbe": {
            # Answers once this JobManager leads, without asking it anything.
            "httpGet": {"path": "/config", "port": REST_PORT},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
        },
    }
    template = record.spec.job_manager_pod_template
    pod = _pod_template(record, JOBMANAGER, size, container, template)
    name = jobmanager_name(record.job.name, record.run)
    return _deployment(record, owner, name, JOBMANAGER, 1, pod)


def taskmanager_deployment(record: RunRecord, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The TaskManagers: as many as give the job's parallelism its slots."""
    resources = record.spec.resources.task_manager
    container = {
        "args": [
            "taskmanager",
            "-D",
            "taskmanager.host=$(POD_IP)",
            "-D",
            "taskmanager.resource-id=$(POD_NAME)",
        ],
        "ports": _ports(data=TASKMANAGER_DATA_PORT, rpc=TASKMANAGER_RPC_PORT, metrics=METRICS_PORT),
    }
    size = checked_size("taskManager", resources.cu, record.gib_per_cu)
    template = record.spec.task_manager_pod_template
    pod = _pod_template(record, TASKMANAGER, size, container, template)
    replicas = -(-record.spec.parallelism // resources.slots)
    name = taskmanager_name(record.job.name, record.run)
    return _deployment(record, owner, name, TASKMANAGER, replicas, pod)


def jobmanager_arguments(record: RunRecord) -> list[str]:
    """The command line of the standalone job entry point.

    It stops reading options at the first word that it does not know, and `--jars` takes every word
    up to the next option: so jars come before all other options, and everything that is the
    program's comes after `--`, whatever it looks like.
    """
    arguments = []
    jars = (record.spec.jar.uri,) if record.spec.jar else ()
    if jars or record.spec.libraries:
        arguments += ["--jars", *jars, *record.spec.libraries]
    main_class = record.spec.jar.main_class if record.spec.jar else _SQL_DRIVER
    if main_class:
        arguments += ["--job-classname", main_class]
    arguments += ["--job-id", record.flink_job_id]
    if record.restore_path:
        arguments += ["--fromSavepoint", record.restore_path]
        if record.allow_non_restored_state:
            arguments += ["--allowNonRestoredState"]
    arguments += ["--", *_program_arguments(record)]
    return [
        "standalone-job",
        "-D",
        "jobmanager.rpc.address=$(POD_IP)",
        # Kubernetes puts the environment in for $(NAME); a doubled dollar sign is one that stays.
        *(argument.replace("$", "$$") for argument in arguments),
    ]


def _program_arguments(record: RunRecord) -> Sequence[str]:
    if record.spec.jar:
        return record.spec.jar.args
    return ("--scriptUri", f"{_SCRIPT_DIR}/{SCRIPT_KEY}")


def _ports(**ports: int) -> list[dict[str, Any]]:
    return [
        {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()
    ]


def _deployment(
    record: RunRecord,
    owner: Mapping[str, Any],
    name: str,
    component: str,
    replicas: int,
    pod: dict[str, Any],
) -> dict[str, Any]:
    labels = run_labels(record.job, record.run, component)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, record.job, labels, owner),
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": pod,
        },
    }


def _pod_template(
    record: RunRecord,
    component: str,
    size: PodSize,
    container: dict[str, Any],
    own_template: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Defaults below, the user's templates on them, what the operator owns on top."""
    template: dict[str, Any] = _default_template()
    for layer in (record.spec.pod_template, own_template):
        template = strategic_merge(template, layer or {})
    owned = _owned_template(record, component, size, container)
    return strategic_merge(_without_owned(template, owned), owned)


def _default_template() -> dict[str, Any]:
    """What a user's template may change: where scratch files go, and when images are pulled."""
    return {
        "spec": {
            "containers": [
                {
                    "name": MAIN_CONTAINER,
                    "imagePullPolicy": "IfNotPresent",
                    "volumeMounts": [
                        {"name": "flink-tmp", "mountPath": "/tmp"},  # noqa: S108 - of the pod
                        {"name": "flink-artifacts", "mountPath": ARTIFACTS_DIR},
                    ],
                }
            ],
            "volumes": [
                {"name": "flink-tmp", "emptyDir": {}},
                {"name": "flink-artifacts", "emptyDir": {}},
            ],
        }
    }


def _owned_template(
    record: RunRecord, component: str, size: PodSize, container: dict[str, Any]
) -> dict[str, Any]:
    return {
        "metadata": {
            "labels": run_labels(record.job, record.run, component),
            "annotations": {"kubectl.kubernetes.io/default-container": MAIN_CONTAINER},
        },
        "spec": {
            "serviceAccountName": account_name(record.job.name),
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _FLINK_USER,
                "runAsGroup": _FLINK_USER,
                "fsGroup": _FLINK_USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_owned_container(record, size) | container],
            "volumes": _owned_volumes(record),
        },
    }


def _owned_container(record: RunRecord, size: PodSize) -> dict[str, Any]:
    mounts = [{"name": "flink-config", "mountPath": _CONFIGURATION_DIR, "readOnly": True}]
    if record.script is not None:
        mounts.append({"name": "flink-job", "mountPath": _SCRIPT_DIR, "readOnly": True})
    return {
        "name": MAIN_CONTAINER,
        "image": record.image,
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            # Under a POSIX locale Java prints every character beyond ASCII as a question mark.
            {"name": "LC_ALL", "value": "C.UTF-8"},
        ],
        "resources": size.kubernetes(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": _FLINK_USER,
            "runAsGroup": _FLINK_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _owned_volumes(record: RunRecord) -> list[dict[str, Any]]:
    def volume(name: str, *keys: str) -> dict[str, Any]:
        items = [{"key": key, "path": key} for key in keys]
        source = {"name": run_name(record.job.name, record.run), "items": items}
        return {"name": name, "configMap": source}

    volumes = [volume("flink-config", *CONFIGURATION_KEYS)]
    if record.script is not None:
        volumes.append(volume("flink-job", SCRIPT_KEY))
    return volumes


def _without_owned(template: dict[str, Any], owned: Mapping[str, Any]) -> dict[str, Any]:
    """The user's template without what is ours even where we set nothing, like the command."""
    about = template.get("metadata") or {}
    spec = dict(template["spec"])
    # The old spelling of serviceAccountName.
    spec.pop("serviceAccount", None)
    replaced = {"command", "args", "resources", "ports", "readinessProbe"}
    mount_paths = {item["mountPath"] for item in owned["spec"]["containers"][0]["volumeMounts"]}
    main = {key: value for key, value in _main_container(spec).items() if key not in replaced}
    main["volumeMounts"] = [
        mount
        for mount in main.get("volumeMounts", ())
        if str(mount.get("mountPath")).rstrip("/") not in mount_paths
    ]
    spec["containers"] = [
        main if container.get("name") == MAIN_CONTAINER else container
        for container in spec["containers"]
    ]
    return {
        "metadata": {key: about[key] for key in ("labels", "annotations") if key in about},
        "spec": spec,
    }


def _main_container(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Flink's own container, which the defaults always hold."""
    return next(it for it in spec["containers"] if it.get("name") == MAIN_CONTAINER)
