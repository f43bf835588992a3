"""The operator's own settings, from the environment (`STREAMJOB_...`)."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_IMAGES = {
    "1.20": "flink:1.20.3",
    "2.0": "flink:2.0.1",
    "2.1": "flink:2.1.1",
    "2.2": "flink:2.2.0",
    "2.3": "flink:2.3.0",
}


class Settings(BaseSettings):
    """Every field can be set as `STREAMJOB_` and its name in upper case; maps and lists as JSON."""

    model_config = SettingsConfigDict(env_prefix="STREAMJOB_", frozen=True)

    namespaces: tuple[str, ...] = ()
    """The namespaces served; none means all of them."""
    operator_namespace: str = Field(default="streamjob-system", validation_alias="POD_NAMESPACE")
    """Where the operator's pods run: only they may reach Flink's ports."""
    pod_name: str | None = Field(default=None, validation_alias="POD_NAME")
    """The operator's own pod, as the Lease names its holder; unset, the machine's name."""
    leader_election: bool = True
    """Without it nothing keeps two operators from acting at the same time."""
    flink_images: dict[str, str] = Field(default_factory=lambda: dict(_IMAGES))
    """`spec.flinkVersion` to image."""
    default_storage_uri: str | None = None
    """For jobs without `spec.storage`; without either, a job is refused."""
    gib_per_cu: Decimal = Decimal(4)
    """Memory of one CU in GiB."""
    metrics_namespace: str | None = None
    """The namespace whose pods may scrape Flink's metrics port."""
    cluster_domain: str | None = None
    """Appended to service names, e.g. `cluster.local`; unset, the pod's own search path resolves
    them.
    """
    liveness_endpoint: str = "http://0.0.0.0:8080/healthz"
    """Where the probe is answered."""
    resync_seconds: float = 60
    """A settled job is looked at this often even if nothing is heard of it."""
    poll_seconds: float = 5
    """A running job's Flink is asked this often whether anything changed."""
    request_timeout_seconds: float = 10
    """Bound of one call to the API server."""
    flink_timeout_seconds: float = 5
    """Bound of one call to a JobManager."""
    parallel_passes: int = 64
    """How many jobs are looked at at the same time."""
    log_level: str = "INFO"
    """Level of the operator's own log."""
