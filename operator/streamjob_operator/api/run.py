"""One run of a job: everything it is made from, and the names that follow from it.

The record lies in the run's own immutable ConfigMap. Objects of a run are built from the record
alone, so an edited spec, a newer operator or a newer image table never change a run that is under
way.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field

from streamjob_operator.api.model import Duration, Model
from streamjob_operator.api.spec import (
    Jar,
    ResourcesSpec,
    Sql,
    StreamJobSpec,
)

_NAMESPACE = uuid.UUID("6b1f7a52-5c0e-4a57-9f6e-3f1f5a0d8c11")
"""The project's own UUID namespace: ids derived from a job's uid never meet anybody else's."""


def job_id_of(uid: str) -> str:
    """The job's short id, `cql-` and 8 letters or digits; stays for the resource's whole life."""
    return "cql-" + hashlib.sha256(uid.encode()).hexdigest()[:8]


def flink_job_id_of(uid: str, run: int) -> str:
    """Flink's id of a run, 32 hex digits. Each run has its own: ids that are used twice collide on
    disk.
    """
    return uuid.uuid5(_NAMESPACE, f"{uid}/run/{run}").hex


def trigger_id_of(uid: str, run: int, started_at: str) -> str:
    """The id of a savepoint request, 32 hex digits; Flink takes one request per id however often it
    is sent.
    """
    return uuid.uuid5(_NAMESPACE, f"{uid}/run/{run}/savepoint/{started_at}").hex


def high_availability_selector(uid: str, runs: Iterable[int]) -> str:
    """Selects the ConfigMaps that Flink's Kubernetes HA makes for these runs, by Flink's labels."""
    clusters = ",".join(f"{job_id_of(uid)}-{run}" for run in runs)
    return f"type=flink-native-kubernetes,app in ({clusters})"


class JobRef(Model):
    """Which StreamJob a run belongs to."""

    name: str
    namespace: str
    uid: str

    @property
    def job_id(self) -> str:
        """The job's short id."""
        return job_id_of(self.uid)


class RunSpec(Model):
    """The part of a spec that makes a run what it is: an edit of any of these is an Upgrade.

    The table of the contract, section 2, in one place. `script` is the text itself, wherever it
    came from.
    """

    sql: Sql | None = None
    script: str | None = None
    jar: Jar | None = None
    libraries: tuple[str, ...] = ()
    flink_version: str = "2.3"
    image: str | None = None
    parallelism: int = 1
    resources: ResourcesSpec = ResourcesSpec()
    storage: str | None = None
    flink_configuration: dict[str, str] = Field(default_factory=dict)
    pod_template: dict[str, Any] | None = None
    job_manager_pod_template: dict[str, Any] | None = None
    task_manager_pod_template: dict[str, Any] | None = None

    @classmethod
    def of(cls, spec: StreamJobSpec, script: str | None) -> RunSpec:
        """The run spec that a declared spec and its script's text amount to."""
        return cls(
            sql=spec.sql.model_copy(update={"script": None}) if spec.sql else None,
            script=script,
            jar=spec.jar,
            libraries=spec.libraries,
            flink_version=spec.flink_version,
            image=spec.image,
            parallelism=spec.parallelism,
            resources=spec.resources,
            storage=spec.storage.uri if spec.storage else None,
            flink_configuration=spec.flink_configuration,
            pod_template=spec.pod_template,
            job_manager_pod_template=spec.job_manager.pod_template,
            task_manager_pod_template=spec.task_manager.pod_template,
        )


class RunRecord(Model):
    """Everything that a run is made from, with all defaults of the operator resolved."""

    job: JobRef
    run: int
    spec: RunSpec
    image: str
    """The image after the operator's version table."""
    storage_dir: str
    """The job's own directory below the storage uri, without a trailing slash."""
    gib_per_cu: Decimal
    restore_path: str | None = None
    """The snapshot or checkpoint that the run starts from; absent for a fresh run."""
    allow_non_restored_state: bool = False
    checkpoint_timeout: Duration = timedelta(minutes=10)
    """`spec.pause.timeout`: a checkpoint or savepoint that takes longer is given up by Flink."""
    script: str | None = None
    """The SQL text that Flink reads: the user's, with start positions put in."""
    started_from: str
    """For status: a snapshot's path, or the start position, or `Fresh`."""

    @property
    def flink_job_id(self) -> str:
        """Flink's id of this run, 32 hex digits."""
        return flink_job_id_of(self.job.uid, self.run)

    @property
    def cluster_id(self) -> str:
        """Names the run's HA data, in Kubernetes and in storage."""
        return f"{self.job.job_id}-{self.run}"

    @property
    def checkpoint_dir(self) -> str:
        """Where Flink writes the run's checkpoints (below it, a directory named by the Flink job
        id).
        """
        return f"{self.storage_dir}/checkpoints"

    @property
    def high_availability_dir(self) -> str:
        """Where Flink keeps the run's HA data."""
        return f"{self.storage_dir}/ha"


def jobmanager_name(name: str, run: int) -> str:
    """The JobManager's Deployment and its Service."""
    return f"{name}-jm-{run}"


def taskmanager_name(name: str, run: int) -> str:
    """The TaskManagers' Deployment."""
    return f"{name}-tm-{run}"


def run_name(name: str, run: int) -> str:
    """The run's ConfigMap."""
    return f"{name}-run-{run}"


def inspector_name(name: str, run: int, number: int) -> str:
    """The pod that looks into the storage of a run; a new one each time that it has to look."""
    return f"{name}-inspector-{run}-{number}"


def account_name(name: str) -> str:
    """The ServiceAccount, Role, RoleBinding and NetworkPolicy of a job, the same for every run."""
    return f"{name}-flink"


def savepoint_dir(storage_dir: str, trigger_id: str) -> str:
    """The directory of one savepoint request: whatever lies in it came of that request."""
    return f"{storage_dir}/savepoints/svp-{trigger_id[:12]}"
