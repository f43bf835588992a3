"""The kinds that the operator reads and writes, and where the API server has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from streamjob_operator.api import constants


@dataclass(frozen=True)
class Kind:
    """One kind of object: its group and version, its name, and its plural in paths."""

    api_version: str
    name: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The path of the collection, or of one object in it."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if self.namespaced:
            parts += ["namespaces", namespace or "default"]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        return "/".join(parts)


STREAM_JOB: Final = Kind(constants.API_VERSION, constants.KIND, constants.PLURAL)
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
REPLICA_SET: Final = Kind("apps/v1", "ReplicaSet", "replicasets")
POD: Final = Kind("v1", "Pod", "pods")
SERVICE: Final = Kind("v1", "Service", "services")
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT: Final = Kind("v1", "ServiceAccount", "serviceaccounts")
ROLE: Final = Kind("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDING: Final = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENT: Final = Kind("v1", "Event", "events")
NODE: Final = Kind("v1", "Node", "nodes", namespaced=False)

_BY_NAME: Final = {
    (kind.api_version, kind.name): kind
    for kind in (
        STREAM_JOB,
        DEPLOYMENT,
        REPLICA_SET,
        POD,
        SERVICE,
        CONFIG_MAP,
        SERVICE_ACCOUNT,
        ROLE,
        ROLE_BINDING,
        NETWORK_POLICY,
        LEASE,
        EVENT,
        NODE,
    )
}


def kind_of(body: dict[str, Any]) -> Kind:
    """The kind of an object. Raises KeyError for one that the operator never writes."""
    return _BY_NAME[body["apiVersion"], body["kind"]]
