"""Who may reach Flink's ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamjob_operator.api.constants import LABEL_JOB, METRICS_PORT, REST_PORT
from streamjob_operator.api.run import JobRef, account_name
from streamjob_operator.builders.metadata import job_labels, metadata

_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""The label that Kubernetes itself puts on every namespace."""

OPERATOR_POD_LABELS: Final = {"app.kubernetes.io/name": "streamjob-operator"}


def network_policy(
    job: JobRef,
    owner: Mapping[str, Any],
    operator_namespace: str,
    metrics_namespace: str | None,
) -> dict[str, Any]:
    """Lets in the job's own pods and the operator, and `metrics_namespace` to the metrics port.

    The job's own pods reach each other on every port: Flink's metric query service listens where it
    likes.
    """
    ingress: list[dict[str, Any]] = [
        {"from": [{"podSelector": {"matchLabels": {LABEL_JOB: job.name}}}]},
        {
            "from": [
                _namespace(operator_namespace)
                | {"podSelector": {"matchLabels": dict(OPERATOR_POD_LABELS)}}
            ],
            "ports": [{"port": REST_PORT, "protocol": "TCP"}],
        },
    ]
    if metrics_namespace:
        ingress.append(
            {
                "from": [_namespace(metrics_namespace)],
                "ports": [{"port": METRICS_PORT, "protocol": "TCP"}],
            }
        )
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(account_name(job.name), job, job_labels(job), owner),
        "spec": {
            "podSelector": {"matchLabels": {LABEL_JOB: job.name}},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: name}}}
