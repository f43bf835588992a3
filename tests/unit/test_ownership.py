"""What counts as an edit of an object that was applied, and what does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from streamjob_operator.kube.ownership import edited_fields, is_applied_by

pytestmark = pytest.mark.unit

Body = dict[str, Any]

MAIN = 'k:{"name":"main"}'
OWNER = 'k:{"uid":"1"}'
PORT = 'k:{"port":8081,"protocol":"TCP"}'

APPLIED: Body = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "orders-tm-1",
        "namespace": "shop",
        "labels": {"streamjob.dev/job": "orders", "team": "data"},
        "ownerReferences": [{"uid": "1", "kind": "StreamJob", "name": "orders"}],
    },
    "spec": {
        "replicas": 2,
        "paused": False,
        "selector": {"app": "orders"},
        "ports": [{"port": 8081}],
        "template": {
            "containers": [
                {
                    "name": "main",
                    "image": "flink:2.3.0",
                    "args": ["taskmanager"],
                    "resources": {"limits": {"cpu": "1000m"}},
                    "env": [],
                }
            ],
            "tolerations": [{"key": "stream"}],
            "scratch": {},
        },
    },
}
OWNED: Body = {
    "f:metadata": {
        "f:labels": {"f:streamjob.dev/job": {}, "f:team": {}},
        "f:ownerReferences": {OWNER: {}},
    },
    "f:spec": {
        "f:replicas": {},
        "f:paused": {},
        "f:selector": {},
        "f:ports": {PORT: {".": {}, "f:port": {}}},
        "f:template": {
            "f:containers": {
                MAIN: {
                    ".": {},
                    "f:name": {},
                    "f:image": {},
                    "f:args": {},
                    "f:resources": {"f:limits": {"f:cpu": {}}},
                }
            },
            "f:tolerations": {},
            "f:scratch": {},
        },
    },
}


class Live:
    """The object as the API server has it: with defaults, and with somebody else at work."""

    def __init__(self) -> None:
        self.body = copy.deepcopy(APPLIED)
        self.owned = copy.deepcopy(OWNED)
        self.others: Body = {}
        self.spec["progressDeadlineSeconds"] = 600
        del self.spec["paused"]
        self.spec["ports"][0] |= {"protocol": "TCP", "targetPort": 8081}
        del self.main["env"]

    @property
    def about(self) -> Body:
        about: Body = self.body["metadata"]
        return about

    @property
    def spec(self) -> Body:
        spec: Body = self.body["spec"]
        return spec

    @property
    def main(self) -> Body:
        main: Body = self.spec["template"]["containers"][0]
        return main

    def lost(self, *keys: str, taken: bool = True) -> None:
        """The operator owns the field no more; somebody took it over, or removed it."""
        above, theirs = [self.owned], self.others
        for key in keys[:-1]:
            above.append(above[-1][key])
        above[-1].pop(keys[-1], None)
        # Kubernetes keeps nothing of what has nothing left below it.
        for tree, key in reversed([*zip(above, keys[:-1], strict=False)]):
            if not tree[key]:
                del tree[key]
        for key in keys if taken else ():
            theirs = theirs.setdefault(key, {})

    def told(self) -> Body:
        entries = [{"manager": "operator", "operation": "Apply", "fieldsV1": self.owned}]
        if self.others:
            entries.append({"manager": "kubectl", "operation": "Update", "fieldsV1": self.others})
        self.about["managedFields"] = entries
        through_the_api: Body = json.loads(json.dumps(self.body))
        return through_the_api


IN_MAIN = ("f:spec", "f:template", "f:containers", MAIN)


def scaled(live: Live) -> None:
    live.spec["replicas"] = 0
    live.lost("f:spec", "f:replicas")


def replicas_removed(live: Live) -> None:
    live.spec["replicas"] = 1
    live.lost("f:spec", "f:replicas", taken=False)


def another_image(live: Live) -> None:
    live.main["image"] = "flink:1.20"
    live.lost(*IN_MAIN, "f:image")


def arguments_more(live: Live) -> None:
    live.main["args"].append("--more")
    live.lost(*IN_MAIN, "f:args")


def selector_more(live: Live) -> None:
    live.spec["selector"]["more"] = "yes"
    live.lost("f:spec", "f:selector")


def toleration_more(live: Live) -> None:
    live.spec["template"]["tolerations"].append({"key": "more"})
    live.lost("f:spec", "f:template", "f:tolerations")


def label_removed(live: Live) -> None:
    del live.about["labels"]["streamjob.dev/job"]
    live.lost("f:metadata", "f:labels", "f:streamjob.dev/job", taken=False)


def labels_removed(live: Live) -> None:
    del live.about["labels"]
    live.lost("f:metadata", "f:labels", taken=False)


def owner_removed(live: Live) -> None:
    del live.about["ownerReferences"]
    live.lost("f:metadata", "f:ownerReferences", taken=False)


def container_renamed(live: Live) -> None:
    live.main["name"] = "other"
    live.lost(*IN_MAIN, taken=False)


def port_removed(live: Live) -> None:
    live.spec["ports"] = []
    live.lost("f:spec", "f:ports", taken=False)


def scratch_moved(live: Live) -> None:
    del live.spec["template"]["scratch"]
    live.lost("f:spec", "f:template", "f:scratch", taken=False)


def switched_on(live: Live) -> None:
    live.spec["paused"] = True
    live.lost("f:spec", "f:paused")


EDITS: dict[Callable[[Live], None], tuple[str, str]] = {
    scaled: ("spec.replicas", "kubectl"),
    replicas_removed: ("spec.replicas", ""),
    another_image: ("spec.template.containers[main].image", "kubectl"),
    arguments_more: ("spec.template.containers[main].args", "kubectl"),
    selector_more: ("spec.selector", "kubectl"),
    toleration_more: ("spec.template.tolerations", "kubectl"),
    label_removed: ("metadata.labels[streamjob.dev/job]", ""),
    labels_removed: ("metadata.labels", ""),
    owner_removed: ("metadata.ownerReferences", ""),
    container_renamed: ("spec.template.containers[main]", ""),
    port_removed: ("spec.ports", ""),
    scratch_moved: ("spec.template.scratch", ""),
    switched_on: ("spec.paused", "kubectl"),
}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edit_is_told_with_its_field_and_its_author(edit: Callable[[Live], None]) -> None:
    live = Live()
    edit(live)

    (field,) = edited_fields(APPLIED, live.told(), "operator")

    assert (field.path, field.manager) == EDITS[edit]


def nothing(live: Live) -> None:
    """As the server gives it back."""


def quantity_in_other_words(live: Live) -> None:
    live.main["resources"]["limits"]["cpu"] = "1"


def webhook_changes_the_image(live: Live) -> None:
    live.main["image"] = "mirror.example/flink:2.3.0"


def webhook_drops_a_map(live: Live) -> None:
    del live.main["resources"]


def edited_and_reverted(live: Live) -> None:
    live.lost("f:spec", "f:replicas")


def taken_over_although_absent(live: Live) -> None:
    live.lost("f:spec", "f:paused")


def others_add_fields(live: Live) -> None:
    live.about["labels"]["more"] = "yes"
    live.about["annotations"] = {"note": "mine"}
    live.main["env"] = [{"name": "MORE", "value": "1"}]
    live.spec["template"]["containers"].insert(0, {"name": "sidecar", "image": "x"})
    live.others |= {
        "f:metadata": {"f:labels": {"f:more": {}}, "f:annotations": {"f:note": {}}},
        "f:spec": {"f:template": {"f:containers": {MAIN: {"f:env": {}}}}},
    }


@pytest.mark.parametrize(
    "change",
    [
        nothing,
        quantity_in_other_words,
        webhook_changes_the_image,
        webhook_drops_a_map,
        edited_and_reverted,
        taken_over_although_absent,
        others_add_fields,
    ],
    ids=lambda change: change.__name__,
)
def test_what_the_server_makes_of_it_and_what_others_add_is_no_edit(
    change: Callable[[Live], None],
) -> None:
    live = Live()
    change(live)

    assert edited_fields(APPLIED, live.told(), "operator") == ()


def test_where_nobody_owns_anything_any_more_values_are_compared() -> None:
    live = Live()
    live.main["image"] = "flink:1.20"
    body = live.told()
    del body["metadata"]["managedFields"]

    edited = {field.path for field in edited_fields(APPLIED, body, "operator")}

    # Without owners nothing tells a quantity in other words from another one.
    assert "spec.template.containers[main].image" in edited
    assert not is_applied_by(body, "operator")


def test_who_has_applied_an_object_is_known_by_what_he_owns() -> None:
    assert is_applied_by(Live().told(), "operator")
    assert not is_applied_by(Live().told(), "kubectl")
