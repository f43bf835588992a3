"""What every object of a job carries: names, labels and its owner."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from streamjob_operator.api.constants import (
    API_VERSION,
    KIND,
    LABEL_COMPONENT,
    LABEL_JOB,
    LABEL_MANAGED_BY,
    LABEL_RUN,
)
from streamjob_operator.api.run import JobRef

MANAGED_BY: Final = "streamjob-operator"


def owner_reference(job: JobRef) -> dict[str, Any]:
    """The owner of everything that belongs to a StreamJob: deleting it deletes the rest."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def job_labels(job: JobRef) -> dict[str, str]:
    """The labels of an object that all runs of a job share."""
    return {LABEL_JOB: job.name, LABEL_MANAGED_BY: MANAGED_BY}


def run_labels(job: JobRef, run: int, component: str | None = None) -> dict[str, str]:
    """The labels of an object of one run; `component` is jobmanager or taskmanager."""
    labels = job_labels(job) | {LABEL_RUN: str(run)}
    return labels | {LABEL_COMPONENT: component} if component else labels


def metadata(
    name: str, job: JobRef, labels: Mapping[str, str], owner: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata of an owned object."""
    return {
        "name": name,
        "namespace": job.namespace,
        "labels": dict(labels),
        "ownerReferences": [dict(owner)],
    }


def content_hash(value: Any) -> str:
    """SHA-256 of a JSON value, the same for equal values: 64 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
