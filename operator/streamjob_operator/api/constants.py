"""Names that the API and the cluster's objects share. Changing one is a breaking change."""

from typing import Final

GROUP: Final = "streamjob.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "StreamJob"
PLURAL: Final = "streamjobs"

FINALIZER: Final = f"{GROUP}/finalizer"
HIGH_AVAILABILITY_FINALIZER: Final = f"{GROUP}/high-availability"
"""On the ConfigMaps of Flink's HA while their run is open. Where they are deleted, Flink forgets
its checkpoints and starts the job empty within seconds (seen with Flink 2.3).
"""
FIELD_MANAGER: Final = "streamjob-operator"

LABEL_JOB: Final = f"{GROUP}/job"
"""On every object of a job: the StreamJob's name."""
LABEL_RUN: Final = f"{GROUP}/run"
"""On every object of one run: the run's number, decimal."""
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
"""`jobmanager`, `taskmanager` or `inspector`."""
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"

JOBMANAGER: Final = "jobmanager"
TASKMANAGER: Final = "taskmanager"
INSPECTOR: Final = "inspector"
"""The short-lived pod that looks into a job's storage."""
MAIN_CONTAINER: Final = "flink-main-container"

REST_PORT: Final = 8081
RPC_PORT: Final = 6123
BLOB_PORT: Final = 6124
TASKMANAGER_RPC_PORT: Final = 6122
TASKMANAGER_DATA_PORT: Final = 6121
METRICS_PORT: Final = 9249

REGION_LABEL: Final = "topology.kubernetes.io/region"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
