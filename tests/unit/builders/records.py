"""The runs that the builders' tests build from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from streamjob_operator.api.run import JobRef, RunRecord, RunSpec
from streamjob_operator.api.spec import (
    Jar,
    Resources,
    ResourcesSpec,
    Sql,
    TaskManagerResources,
)

JOB = JobRef(name="orders", namespace="shop", uid="0c3a9f6e-5d4b-4f39-9d57-1e2f3a4b5c6d")

SCRIPT = """\
CREATE TABLE orders (id BIGINT) WITH ('connector' = 'datagen');
CREATE TABLE totals (id BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO totals SELECT id FROM orders;
"""


def record(spec: RunSpec | None = None, **changes: Any) -> RunRecord:
    """A run with everything at its default, but for what is named."""
    values: dict[str, Any] = {
        "job": JOB,
        "run": 1,
        "spec": spec or RunSpec(sql=Sql(), script=SCRIPT),
        "image": "flink:2.3.0",
        "storage_dir": "s3://bucket/jobs/cql-1",
        "gib_per_cu": Decimal(4),
        "script": None if spec and spec.jar else SCRIPT,
        "started_from": "Earliest",
    }
    return RunRecord(**(values | changes))


def sql_minimal() -> RunRecord:
    return record()


def jar_restored() -> RunRecord:
    """Libraries, arguments that look like Flink's own options, a snapshot to start from."""
    spec = RunSpec(
        jar=Jar(
            uri="https://jars.example/main.jar",
            main_class="com.acme.Main",
            args=("--rate", "100", "--job-id", "mine", "$(POD_IP)", "a b"),
        ),
        libraries=("local:///opt/acme/one.jar", "s3://bucket/two.jar"),
        parallelism=5,
        resources=ResourcesSpec(
            job_manager=Resources(cu=Decimal("0.25")),
            task_manager=TaskManagerResources(cu=Decimal("1.5"), slots=2),
        ),
        flink_configuration={
            "state.backend.type": "rocksdb",
            "execution.checkpointing.interval": "10 s",
            "env.java.opts.taskmanager": "-XX:+UseG1GC",
        },
    )
    return record(
        spec,
        run=7,
        restore_path="s3://bucket/jobs/cql-1/savepoints/svp-1/savepoint-abc",
        allow_non_restored_state=True,
        started_from="s3://bucket/jobs/cql-1/savepoints/svp-1/savepoint-abc",
    )


def sql_pod_templates() -> RunRecord:
    """Templates for both, for one each, and some that try to take what is the operator's."""
    spec = RunSpec(
        sql=Sql(),
        script=SCRIPT,
        pod_template={
            "metadata": {
                "labels": {"team": "data", "streamjob.dev/job": "another"},
                "annotations": {"note": "both"},
                "name": "another",
            },
            "spec": {
                "serviceAccountName": "admin",
                "serviceAccount": "admin",
                "automountServiceAccountToken": False,
                "nodeSelector": {"disk": "ssd"},
                "securityContext": {"runAsUser": 0, "supplementalGroups": [4000]},
                "tolerations": [{"key": "stream", "operator": "Exists"}],
                "containers": [
                    {
                        "name": "flink-main-container",
                        "image": "another",
                        "imagePullPolicy": "Always",
                        "command": ["sleep"],
                        "args": ["1d"],
                        "env": [
                            {"name": "REGION", "value": "north"},
                            {"name": "POD_IP", "value": "10.0.0.1"},
                        ],
                        "envFrom": [{"configMapRef": {"name": "settings"}}],
                        "resources": {"limits": {"cpu": "64"}},
                        "securityContext": {"allowPrivilegeEscalation": True},
                        "volumeMounts": [
                            {"name": "data", "mountPath": "/data"},
                            {"name": "data", "mountPath": "/opt/flink/conf"},
                            {"name": "scratch", "mountPath": "/tmp"},
                        ],
                    },
                    {"name": "sidecar", "image": "fluent-bit"},
                ],
                "initContainers": [{"name": "prepare", "image": "busybox"}],
                "volumes": [
                    {"name": "data", "hostPath": {"path": "/srv/data"}},
                    {"name": "scratch", "emptyDir": {"medium": "Memory"}},
                    {"name": "flink-config", "hostPath": {"path": "/etc"}},
                ],
            },
        },
        job_manager_pod_template={
            "metadata": {"annotations": {"note": "jobmanager"}},
            "spec": {"priorityClassName": "high", "nodeSelector": {"role": "control"}},
        },
        task_manager_pod_template={
            "spec": {
                "nodeSelector": {"disk": None, "gpu": "yes"},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "containers": [
                    {"name": "flink-main-container", "env": [{"name": "REGION", "value": "south"}]},
                    {"name": "sidecar", "$patch": "delete"},
                ],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            }
        },
    )
    return record(spec)
