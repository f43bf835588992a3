"""`kubectl apply -k deploy/` on a real API server, and the rights that it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.apiserver.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

ROOT: Final = Path(__file__).parents[2]
OPERATOR: Final = "system:serviceaccount:streamjob-system:streamjob-operator"


def test_the_operator_is_deployed_with_a_standby(deployed: ApiServer) -> None:
    found = deployed.get("deployment", "streamjob-operator", "-n", "streamjob-system")["spec"]

    assert found["replicas"] == 2
    assert found["strategy"]["type"] == "RollingUpdate"
    (container,) = found["template"]["spec"]["containers"]
    assert container["image"].startswith("streamjob-operator:")
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_a_second_apply_changes_nothing(deployed: ApiServer) -> None:
    said = deployed.kubectl("apply", "-k", str(ROOT / "deploy")).stdout.splitlines()
    assert [line for line in said if not line.endswith(" unchanged")] == []


def test_its_pod_meets_the_restricted_pod_security_standard(deployed: ApiServer) -> None:
    template = deployed.get("deployment", "streamjob-operator", "-n", "streamjob-system")["spec"][
        "template"
    ]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": "streamjob-system"},
        "spec": template["spec"],
    }
    deployed.apply(pod, "--dry-run=server")


def test_its_token_opens_what_it_needs_and_no_more(
    deployed: ApiServer, operator_kubeconfig: Path
) -> None:
    as_operator = ("--kubeconfig", str(operator_kubeconfig))
    deployed.kubectl("get", "streamjobs", "-A", *as_operator)
    said = deployed.kubectl("get", "secrets", "-A", *as_operator, check=False).stderr
    assert f'User "{OPERATOR}" cannot list resource "secrets"' in said


MAY: Final = [
    ("patch", "streamjobs"),
    ("patch", "streamjobs --subresource=status"),
    ("create", "deployments"),
    ("deletecollection", "pods"),
    ("create", "services"),
    ("update", "configmaps"),
    ("create", "rolebindings"),
    ("create", "networkpolicies"),
    ("create", "events"),
    ("get", "nodes"),
]
MAY_NOT: Final = [
    ("get", "secrets"),
    ("list", "secrets"),
    ("update", "pods"),
    ("create", "pods --subresource=exec"),
    ("create", "streamjobs"),
    ("delete", "streamjobs"),
    ("update", "nodes"),
    ("list", "namespaces"),
    ("get", "customresourcedefinitions"),
    ("create", "clusterroles"),
    ("bind", "roles"),
    ("escalate", "roles"),
    ("impersonate", "users"),
]


def can(server: ApiServer, user: str, verb: str, resource: str, *more: str) -> bool:
    said = server.kubectl(
        "auth", "can-i", verb, *resource.split(), "--as", user, *more, "-n", "default", check=False
    )
    return said.stdout.startswith("yes")


@pytest.mark.parametrize(("verb", "resource"), MAY)
def test_the_operator_may(deployed: ApiServer, verb: str, resource: str) -> None:
    assert can(deployed, OPERATOR, verb, resource)


@pytest.mark.parametrize(("verb", "resource"), MAY_NOT)
def test_the_operator_may_not(deployed: ApiServer, verb: str, resource: str) -> None:
    assert not can(deployed, OPERATOR, verb, resource)


@pytest.mark.parametrize(
    ("verb", "lease", "where", "allowed"),
    [
        ("get", "lease/streamjob-operator", "streamjob-system", True),
        ("update", "lease/streamjob-operator", "streamjob-system", True),
        ("create", "leases", "streamjob-system", True),
        ("update", "lease/another", "streamjob-system", False),
        ("delete", "lease/streamjob-operator", "streamjob-system", False),
        ("create", "leases", "kube-system", False),
    ],
)
def test_the_operator_has_its_own_lease_and_no_other(
    deployed: ApiServer, *, verb: str, lease: str, where: str, allowed: bool
) -> None:
    said = deployed.kubectl(
        *("auth", "can-i", verb, lease, "--as", OPERATOR, "-n", where), check=False
    )
    assert said.stdout.startswith("yes") is allowed


def test_the_operator_may_give_a_job_the_rights_for_high_availability(
    deployed: ApiServer, namespace: str
) -> None:
    """The API server refuses a Role with more rights than its maker has."""
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "orders-flink", "namespace": namespace},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "orders-flink", "namespace": namespace},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "orders-flink",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "orders-flink", "namespace": namespace}],
    }
    for each in (role, binding):
        deployed.apply(each, "--server-side", "--as", OPERATOR)
    role["rules"] = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    said = deployed.apply(role, "--server-side", "--as", OPERATOR, check=False)
    assert "attempting to grant RBAC permissions not currently held" in said.stderr


def test_the_users_roles_are_made_for_aggregation() -> None:
    text = (ROOT / "deploy" / "user-roles.yaml").read_text()
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    aggregated = {
        role["metadata"]["name"]: sorted(
            label.removeprefix(prefix)
            for label in role["metadata"]["labels"]
            if label.startswith(prefix)
        )
        for role in yaml.safe_load_all(text)
    }
    assert aggregated == {"streamjob-view": ["view"], "streamjob-edit": ["admin", "edit"]}
