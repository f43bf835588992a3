"""The short-lived pod that looks into a run's storage when no JobManager can be asked any more.

It is the JobManager's pod with another command: whatever gives Flink access to its storage (image,
plugins, volumes, credentials, service account) gives it to the inspector as well.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from streamjob_operator.api.constants import GROUP, INSPECTOR, MAIN_CONTAINER
from streamjob_operator.api.run import RunRecord, inspector_name
from streamjob_operator.builders.metadata import metadata, run_labels
from streamjob_operator.builders.pods import jobmanager_deployment
from streamjob_operator.builders.resources import PodSize

SECONDS: Final = 120
"""The pod's `activeDeadlineSeconds`: an image may have to be pulled, and storage may be slow."""

RESULT_FILE: Final = "/dev/termination-log"
"""Kubernetes' own place for a container's last words; they come back in the pod's status."""

_ANNOTATION: Final = f"{GROUP}/state-inspector"
_CLASS: Final = "StateInspector"
_SOURCE_DIR: Final = "/opt/flink/inspector"
_SOURCE_VOLUME: Final = "state-inspector"

_SIZE: Final = PodSize(millicores=100, memory_mib=512)
"""A `_metadata` file is read into memory as a whole, as Flink does when it restores."""

_UNWANTED: Final = ("ports", "readinessProbe", "livenessProbe", "startupProbe", "lifecycle")

_ENVIRONMENT: Final = (
    {"name": "FLINK_CONF_DIR", "value": "/opt/flink/conf"},
    {"name": "FLINK_PLUGINS_DIR", "value": "/opt/flink/plugins"},
)
"""What Flink's start scripts set, which do not run here."""

_JAVA: Final = (
    "java",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:MaxRAMPercentage=50",
)


def inspector_pod(
    record: RunRecord, owner: Mapping[str, Any], number: int, target_dirs: tuple[str, ...]
) -> dict[str, Any]:
    """The pod that looks into the run's checkpoints and into directories of savepoint requests.

    `number` tells it from others that have looked for the same run.

    Raises InvalidSpec as the run's own pods do.
    """
    template = jobmanager_deployment(record, owner)["spec"]["template"]
    labels = run_labels(record.job, record.run, INSPECTOR)
    about = metadata(inspector_name(record.job.name, record.run, number), record.job, labels, owner)
    about["labels"] = template["metadata"]["labels"] | labels
    about["annotations"] = template["metadata"]["annotations"] | {_ANNOTATION: _source()}
    spec = template["spec"]
    main = next(it for it in spec["containers"] if it["name"] == MAIN_CONTAINER)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": about,
        "spec": spec
        | {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": SECONDS,
            # A sidecar that goes on for ever would keep the pod from ending.
            "containers": [_container(main, record, target_dirs)],
            "volumes": [*spec["volumes"], _source_volume()],
        },
    }


def _container(
    main: Mapping[str, Any], record: RunRecord, target_dirs: tuple[str, ...]
) -> dict[str, Any]:
    fixed = {item["name"] for item in _ENVIRONMENT}
    mount = {"name": _SOURCE_VOLUME, "mountPath": _SOURCE_DIR, "readOnly": True}
    return {key: value for key, value in main.items() if key not in _UNWANTED} | {
        "args": _arguments(record, target_dirs),
        "env": [*(item for item in main["env"] if item["name"] not in fixed), *_ENVIRONMENT],
        "resources": _SIZE.kubernetes(),
        "terminationMessagePath": RESULT_FILE,
        "volumeMounts": [*main["volumeMounts"], mount],
    }


def _arguments(record: RunRecord, target_dirs: tuple[str, ...]) -> list[str]:
    """A command that the image's entry point passes on after it has set up the plugins."""
    checkpoints = f"{record.checkpoint_dir}/{record.flink_job_id}"
    return [
        *_JAVA,
        *(option.replace("$", "$$") for option in _system_properties(record)),
        "-cp",
        # A name that is not set stays as it is written, which is a path where nothing lies.
        "/opt/flink/lib/*:$(HADOOP_CLASSPATH)",
        "org.codehaus.janino.JavaSourceClassLoader",
        "-sourcepath",
        _SOURCE_DIR,
        _CLASS,
        RESULT_FILE,
        *(directory.replace("$", "$$") for directory in (checkpoints, *target_dirs)),
    ]


def _system_properties(record: RunRecord) -> list[str]:
    """The user's -D options of the JobManager: a trust store or a proxy may be among them."""
    configured = record.spec.flink_configuration
    options = [
        configured.get(f"env.java.opts.{component}", "") for component in ("all", "jobmanager")
    ]
    try:
        words = shlex.split(" ".join(options))
    except ValueError:
        return []
    return [word for word in words if word.startswith("-D")]


def _source() -> str:
    return (files("streamjob_operator.builders") / f"{_CLASS}.java").read_text(encoding="utf-8")


def _source_volume() -> dict[str, Any]:
    field = {"fieldPath": f"metadata.annotations['{_ANNOTATION}']"}
    item = {"path": f"{_CLASS}.java", "fieldRef": field}
    return {"name": _SOURCE_VOLUME, "downwardAPI": {"items": [item]}}
