"""What a job's pods may do in Kubernetes: keep Flink's HA data in ConfigMaps, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamjob_operator.api.run import JobRef, account_name
from streamjob_operator.builders.metadata import job_labels, metadata


def service_account(job: JobRef, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The account of the job's pods. Its token is mounted only where a pod asks for it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(account_name(job.name), job, job_labels(job), owner),
        "automountServiceAccountToken": False,
    }


def role(job: JobRef, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The rights that Flink's Kubernetes HA needs, in JobManager and TaskManagers alike."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(account_name(job.name), job, job_labels(job), owner),
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
            }
        ],
    }


def role_binding(job: JobRef, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the role to the account."""
    name = account_name(job.name)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(name, job, job_labels(job), owner),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": job.namespace}],
    }
