"""Flink's config.yaml for one run.

What the user sets goes before the operator's defaults, and what the operator owns goes before both.
The keys stand flat and dotted in real YAML, as Flink 2 and 1.20 read them.
"""

from __future__ import annotations

from typing import Final

import yaml

from streamjob_operator.api.constants import (
    BLOB_PORT,
    METRICS_PORT,
    REST_PORT,
    RPC_PORT,
    TASKMANAGER_DATA_PORT,
    TASKMANAGER_RPC_PORT,
)
from streamjob_operator.api.run import RunRecord, jobmanager_name
from streamjob_operator.builders.resources import (
    PodSize,
    checked_size,
    jobmanager_java_options,
    jobmanager_memory,
    taskmanager_java_options,
    taskmanager_memory,
)

ARTIFACTS_DIR: Final = "/opt/flink/artifacts"
"""Where the pods put the jars that they fetch."""

_EXPORTS: Final = (
    "java.rmi/sun.rmi.registry",
    "jdk.compiler/com.sun.tools.javac.api",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.compiler/com.sun.tools.javac.parser",
    "jdk.compiler/com.sun.tools.javac.tree",
    "jdk.compiler/com.sun.tools.javac.util",
    "java.security.jgss/sun.security.krb5",
)
_OPENS: Final = (
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "sun.nio.ch",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
)
"""What Flink's own config.yaml opens: without these no job starts on Java 17 and later."""

_DEFAULTS: Final = {
    # A checkpoint that fails is a warning, never a reason to restart the job.
    "execution.checkpointing.interval": "1 min",
    "execution.checkpointing.tolerable-failed-checkpoints": "2147483647",
    # The newest may be subsumed between being seen and being needed; two older ones stay beside it.
    "execution.checkpointing.num-retained": "3",
    # Without a limit, so that a job outlives an outage of its sources.
    "restart-strategy.type": "exponential-delay",
    "restart-strategy.exponential-delay.initial-backoff": "1 s",
    "restart-strategy.exponential-delay.max-backoff": "1 min",
    "restart-strategy.exponential-delay.backoff-multiplier": "1.5",
    "restart-strategy.exponential-delay.reset-backoff-threshold": "10 min",
    "restart-strategy.exponential-delay.attempts-before-reset-backoff": "2147483647",
    # A TaskManager that is gone is noticed after the timeout: well below 20 seconds.
    "heartbeat.interval": "3 s",
    "heartbeat.timeout": "12 s",
    # A TaskManager that comes up before its JobManager asks again soon; Flink's default is 10 s.
    "cluster.registration.error-delay": "500 ms",
    # Replies about a job are cached so long.
    "web.refresh-interval": "1000",
    "rest.cache.checkpoint-statistics.timeout": "1 s",
}


def flink_configuration(record: RunRecord) -> dict[str, str]:
    """Flink's settings for a run, by flat key.

    What a user may not set was refused before there was a record. Raises InvalidSpec for pods too
    small for Flink.
    """
    return _defaults(record) | record.spec.flink_configuration | _owned(record)


def config_yaml(record: RunRecord) -> str:
    """The text of config.yaml. Raises as `flink_configuration`."""
    return yaml.safe_dump(
        flink_configuration(record), allow_unicode=True, default_flow_style=False, width=100_000
    )


def _defaults(record: RunRecord) -> dict[str, str]:
    jobmanager, taskmanager = _pod_sizes(record)
    timeout = f"{int(record.checkpoint_timeout.total_seconds())} s"
    more = {"execution.checkpointing.timeout": timeout}
    if record.script is not None:
        # Else an operator's id follows from how it is chained, and another parallelism loses it.
        more["table.exec.uid.generation"] = "ALWAYS"
    return _DEFAULTS | more | jobmanager_memory(jobmanager) | taskmanager_memory(taskmanager)


def _pod_sizes(record: RunRecord) -> tuple[PodSize, PodSize]:
    """The sizes of a JobManager and of a TaskManager."""
    resources, gib = record.spec.resources, record.gib_per_cu
    return (
        checked_size("jobManager", resources.job_manager.cu, gib),
        checked_size("taskManager", resources.task_manager.cu, gib),
    )


def _owned(record: RunRecord) -> dict[str, str]:
    return (
        _addresses(record)
        | _sizes(record)
        | _java_options(record)
        | _high_availability(record)
        | _lifecycle(record)
    )


def _addresses(record: RunRecord) -> dict[str, str]:
    """Fixed ports, so that a Service and a NetworkPolicy can name them."""
    service = jobmanager_name(record.job.name, record.run)
    return {
        "jobmanager.rpc.address": service,
        "jobmanager.rpc.port": str(RPC_PORT),
        "jobmanager.bind-host": "0.0.0.0",  # noqa: S104 - a pod; its NetworkPolicy says who may come in
        "high-availability.jobmanager.port": str(RPC_PORT),
        "blob.server.port": str(BLOB_PORT),
        "rest.address": service,
        "rest.port": str(REST_PORT),
        "rest.bind-address": "0.0.0.0",  # noqa: S104
        "rest.bind-port": str(REST_PORT),
        "taskmanager.bind-host": "0.0.0.0",  # noqa: S104
        "taskmanager.rpc.port": str(TASKMANAGER_RPC_PORT),
        "taskmanager.data.port": str(TASKMANAGER_DATA_PORT),
        "metrics.reporter.prom.factory.class": (
            "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"
        ),
        "metrics.reporter.prom.port": str(METRICS_PORT),
    }


def _sizes(record: RunRecord) -> dict[str, str]:
    jobmanager, taskmanager = _pod_sizes(record)
    return {
        "jobmanager.memory.process.size": f"{jobmanager.memory_mib}m",
        "taskmanager.memory.process.size": f"{taskmanager.memory_mib}m",
        "taskmanager.numberOfTaskSlots": str(record.spec.resources.task_manager.slots),
        "parallelism.default": str(record.spec.parallelism),
    }


def _high_availability(record: RunRecord) -> dict[str, str]:
    """Kubernetes HA under a name of the run's own.

    `kubernetes.cluster-id` names the ConfigMaps and `high-availability.cluster-id` the directories:
    runs that share either take up each other's jobs. Results of jobs that ended are kept, so that a
    JobManager which is replaced afterwards does not start the job again.
    """
    return {
        "high-availability.type": "kubernetes",
        "high-availability.cluster-id": record.cluster_id,
        "high-availability.storageDir": record.high_availability_dir,
        "kubernetes.cluster-id": record.cluster_id,
        "kubernetes.namespace": record.job.namespace,
        "job-result-store.delete-on-commit": "false",
        "application-result-store.delete-on-commit": "false",
    }


def _lifecycle(record: RunRecord) -> dict[str, str]:
    return {
        "execution.checkpointing.dir": record.checkpoint_dir,
        "execution.checkpointing.savepoint-dir": f"{record.storage_dir}/savepoints",
        "execution.checkpointing.externalized-checkpoint-retention": "DELETE_ON_CANCELLATION",
        # The end of a job and the reason for it are read from Flink before the pods go.
        "execution.shutdown-on-application-finish": "false",
        "execution.submit-failed-job-on-application-error": "true",
        "user.artifacts.base-dir": ARTIFACTS_DIR,
        "web.submit.enable": "false",
        "web.cancel.enable": "false",
    }


def _java_options(record: RunRecord) -> dict[str, str]:
    """Options that stand before the user's, so that of two that differ the user's counts."""
    jobmanager, taskmanager = _pod_sizes(record)
    exports = [f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS]
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENS]
    options = {
        "env.java.default-opts.all": " ".join(exports + opens),
        "env.java.default-opts.jobmanager": jobmanager_java_options(jobmanager),
        "env.java.default-opts.taskmanager": taskmanager_java_options(taskmanager),
    }
    return {key: value for key, value in options.items() if value}
