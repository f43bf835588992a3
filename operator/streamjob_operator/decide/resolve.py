"""From a declared spec to what a run is made from; what can't be is refused in words."""

from __future__ import annotations

from datetime import datetime

from streamjob_operator.api.owned_keys import refusal
from streamjob_operator.api.run import JobRef, RunRecord, RunSpec
from streamjob_operator.api.spec import StartFrom, StreamJobSpec
from streamjob_operator.builders.resources import checked_size
from streamjob_operator.errors import InvalidSpec
from streamjob_operator.settings import Settings
from streamjob_operator.sql.script import check
from streamjob_operator.sql.start_position import Fresh, Restored, inject


def resolve(spec: StreamJobSpec, script: str | None, settings: Settings) -> RunSpec:
    """What a run of this spec is made from. `script`: the SQL text, wherever it lies.

    The schema has checked most of this already, but it may be older than the operator. Raises
    InvalidSpec.
    """
    if (spec.sql is None) == (spec.jar is None):
        raise InvalidSpec(
            "a StreamJob is either SQL or JAR: set exactly one of spec.sql and spec.jar"
        )
    for key, value in spec.flink_configuration.items():
        reason = refusal(key, value)
        if reason:
            raise InvalidSpec(f"spec.flinkConfiguration: {reason}")
    if spec.image is None and spec.flink_version not in settings.flink_images:
        known = ", ".join(sorted(settings.flink_images))
        raise InvalidSpec(
            f"spec.flinkVersion {spec.flink_version} has no image in the operator's table "
            f"({known}): name one of these, or set spec.image"
        )
    if spec.sql is not None and spec.image is None and spec.flink_version.startswith("1."):
        raise InvalidSpec("SQL jobs need Flink 2.0 or later: set spec.flinkVersion to 2.0 or later")
    if spec.storage is None and settings.default_storage_uri is None:
        raise InvalidSpec(
            "there is no place for checkpoints and savepoints: set spec.storage.uri, "
            "or give the operator a default (STREAMJOB_DEFAULT_STORAGE_URI)"
        )
    if spec.sql is not None:
        if spec.sql.secret_ref is not None:
            raise InvalidSpec(
                "spec.sql.secretRef is not served by this version: use the connector's own means, "
                "for Kafka properties.config.providers with an environment variable "
                "of spec.podTemplate"
            )
        check(script or "")
    run_spec = RunSpec.of(spec, script)
    checked_size("jobManager", run_spec.resources.job_manager.cu, settings.gib_per_cu)
    checked_size("taskManager", run_spec.resources.task_manager.cu, settings.gib_per_cu)
    return run_spec


def new_record(  # noqa: PLR0913 - everything a run is made from
    *,
    job: JobRef,
    run: int,
    run_spec: RunSpec,
    spec: StreamJobSpec,
    restore_path: str | None,
    settings: Settings,
    now: datetime,
) -> RunRecord:
    """All that a run is made from. Raises InvalidSpec."""
    storage = (run_spec.storage or settings.default_storage_uri or "").rstrip("/")
    image = run_spec.image or settings.flink_images.get(run_spec.flink_version)
    if image is None:
        raise InvalidSpec(f"no image is known for Flink {run_spec.flink_version}: set spec.image")
    start_from = spec.start_from
    if restore_path is None and start_from and start_from.timestamp and start_from.timestamp > now:
        raise InvalidSpec(
            "spec.startFrom.timestamp lies in the future; Kafka would be read from its end "
            "at once: choose a time that has passed"
        )
    script = run_spec.script
    if script is not None:
        position = (
            Fresh(start_from)
            if restore_path is None
            else Restored(skip_expired=spec.restore.on_expired_offsets == "Skip")
        )
        script = inject(script, position)
    return RunRecord(
        job=job,
        run=run,
        spec=run_spec,
        image=image,
        storage_dir=f"{storage}/{job.namespace}/{job.name}-{job.job_id}",
        gib_per_cu=settings.gib_per_cu,
        restore_path=restore_path,
        allow_non_restored_state=restore_path is not None and spec.restore.allow_non_restored_state,
        checkpoint_timeout=spec.pause.timeout,
        script=script,
        started_from=restore_path or _position_text(start_from),
    )


def _position_text(start_from: StartFrom | None) -> str:
    if start_from is None:
        return "Fresh"
    if start_from.timestamp is not None:
        return f"{start_from.position} {start_from.timestamp:%Y-%m-%dT%H:%M:%SZ}"
    return str(start_from.position)
