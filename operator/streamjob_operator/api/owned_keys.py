"""Flink configuration that a user may not set, and what to do instead.

The rules hold for `spec.flinkConfiguration` (the schema in `crds/` has them as CEL, a test holds
the two together) and for SET statements in a script, which would win over the configuration file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class OwnedKeys:
    """Keys with one and the same remedy: full names, or beginnings of names."""

    remedy: str
    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def covers(self, key: str) -> bool:
        """Tell whether the key is one of these."""
        return key in self.keys or key.startswith(self.prefixes)


OWNED: Final = (
    OwnedKeys(remedy="use spec.parallelism", keys=("parallelism.default",)),
    OwnedKeys(
        remedy="use spec.resources.taskManager.slots", keys=("taskmanager.numberOfTaskSlots",)
    ),
    OwnedKeys(
        remedy="use cu in spec.resources; fractions and minima of Flink's memory may be set",
        keys=(
            "jobmanager.heap.size",
            "jobmanager.memory.flink.size",
            "jobmanager.memory.process.size",
            "taskmanager.cpu.cores",
            "taskmanager.heap.size",
            "taskmanager.memory.flink.size",
            "taskmanager.memory.process.size",
        ),
    ),
    OwnedKeys(
        remedy="use spec.storage.uri; every run has its own directories below it",
        keys=(
            "execution.checkpointing.create-subdir",
            "execution.checkpointing.dir",
            "execution.checkpointing.savepoint-dir",
            "execution.checkpointing.storage",
            "state.backend.fs.checkpointdir",
            "state.checkpoint-storage",
            "state.checkpoints.create-subdir",
            "state.checkpoints.dir",
            "state.savepoints.dir",
        ),
    ),
    OwnedKeys(
        remedy="use spec.restore",
        keys=("execution.savepoint-restore-mode",),
        prefixes=("execution.savepoint.", "execution.state-recovery."),
    ),
    OwnedKeys(
        remedy="use spec.jar and spec.libraries",
        keys=(
            "pipeline.classpaths",
            "pipeline.jars",
            "user.artifacts.artifact-list",
            "user.artifacts.base-dir",
        ),
    ),
    OwnedKeys(
        remedy="use spec.desiredState; how a run begins and ends is not for the job to choose",
        keys=(
            "execution.attached",
            "execution.checkpointing.externalized-checkpoint",
            "execution.checkpointing.externalized-checkpoint-retention",
            "execution.shutdown-on-application-finish",
            "execution.shutdown-on-attached-exit",
            "execution.submit-failed-job-on-application-error",
            "execution.target",
            "execution.terminate-application-on-any-job-terminated-exceptionally",
            "web.cancel.enable",
            "web.rescale.enable",
            "web.submit.enable",
        ),
        prefixes=("application-result-store.", "job-result-store."),
    ),
    OwnedKeys(
        remedy="remove it; the pods of a run find each other by themselves",
        keys=(
            "blob.server.port",
            "cluster.id",
            "high-availability",
            "jobmanager.bind-host",
            "jobmanager.resource-id",
            "rest.address",
            "rest.bind-address",
            "rest.bind-port",
            "rest.path",
            "rest.port",
            "security.ssl.enabled",
            "taskmanager.bind-host",
            "taskmanager.data.bind-port",
            "taskmanager.data.port",
            "taskmanager.host",
            "taskmanager.resource-id",
            "taskmanager.rpc.bind-port",
            "taskmanager.rpc.port",
            "web.address",
            "web.port",
        ),
        prefixes=("$internal.", "high-availability.", "jobmanager.rpc.", "security.ssl.rest."),
    ),
    OwnedKeys(
        remedy="remove it; Prometheus finds the metrics of every pod on port 9249",
        keys=("metrics.reporter.prom.factory.class", "metrics.reporter.prom.port"),
    ),
    OwnedKeys(
        remedy="use spec.podTemplate, spec.jobManager.podTemplate or spec.taskManager.podTemplate",
        prefixes=("kubernetes.",),
    ),
)
"""What the operator decides: where a run lives, what it holds, how it begins and how it ends."""

KEY_PATTERN: Final = "^[A-Za-z0-9$][A-Za-z0-9$._-]*$"
"""Some readers trim a key's blanks: a key that only looks foreign must not slip through."""

KEY_REMEDY: Final = "the name of a Flink option has only letters, digits and . _ - $"

VALUE_PATTERN: Final = "^[^\\x00-\\x1f\\x7f]*$"
"""Flink's scripts read the configuration line by line."""

VALUE_REMEDY: Final = "has a line end or a control character in its value: write one line of text"

SENSITIVE_WORDS: Final = (
    "password",
    "secret",
    "token",
    "apikey",
    "api-key",
    "auth-params",
    "service-key",
    "basic-auth",
    "jaas.config",
    "http-headers",
    "fs.azure.account.key",
)
"""A key with one of these in it, in any case, is a secret for Flink.

Source: SENSITIVE_KEYS of Flink's GlobalConfiguration.
"""

SENSITIVE_REMEDY: Final = (
    "it is a secret by Flink's rules; let the pods have it as environment from a Secret"
    " (envFrom in spec.podTemplate)"
)

ENVIRONMENT_PREFIX: Final = "env"
"""Without its dot: Flink's scripts search by `grep`, where a dot matches any character."""

JAVA_OPTIONS_PREFIX: Final = "env.java.opts."
ENVIRONMENT_REMEDY: Final = (
    "only env.java.opts.* may be set; use spec.podTemplate for environment variables"
)

JAVA_OPTIONS_PATTERN: Final = "^[A-Za-z0-9 ._:=+,/@%-]*$"
"""Java options reach the `eval` of Flink's start scripts: nothing special to a shell passes."""

JAVA_OPTIONS_REMEDY: Final = (
    "reaches a shell in Flink's start scripts: use only letters, digits, blanks"
    " and . _ : = + , / @ % -"
)


def refusal(key: str, value: str) -> str | None:
    """Say why this setting is refused and what to do instead; None where it may be set.

    The message names the key, never the value: the value may be a secret.
    """
    if not re.fullmatch(KEY_PATTERN, key):
        return KEY_REMEDY
    return _refusal_of_key(key) or _refusal_of_value(key, value)


def _refusal_of_key(key: str) -> str | None:
    for owned in OWNED:
        if owned.covers(key):
            return f"{key} belongs to the operator: {owned.remedy}"
    if key.startswith(ENVIRONMENT_PREFIX) and not key.startswith(JAVA_OPTIONS_PREFIX):
        return f"{key} is refused: {ENVIRONMENT_REMEDY}"
    if any(word in key.lower() for word in SENSITIVE_WORDS):
        return f"{key} is refused: {SENSITIVE_REMEDY}"
    return None


def _refusal_of_value(key: str, value: str) -> str | None:
    if not re.fullmatch(VALUE_PATTERN, value):
        return f"{key} {VALUE_REMEDY}"
    if key.startswith(JAVA_OPTIONS_PREFIX) and not re.fullmatch(JAVA_OPTIONS_PATTERN, value):
        return f"{key} {JAVA_OPTIONS_REMEDY}"
    return None
