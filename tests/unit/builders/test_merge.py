from __future__ import annotations

from typing import Any

import pytest

from streamjob_operator.builders.merge import strategic_merge

pytestmark = pytest.mark.unit

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "maps are merged": ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
    "null removes": ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
    "null below nothing leaves nothing": ({}, {"a": {"b": None}}, {"a": {}}),
    "a map is replaced on demand": (
        {"a": {"x": 1}},
        {"a": {"$patch": "replace", "y": 2}},
        {"a": {"y": 2}},
    ),
    "plain lists are replaced": ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
    "tolerations are replaced": (
        {"tolerations": [{"key": "a"}]},
        {"tolerations": [{"key": "b"}]},
        {"tolerations": [{"key": "b"}]},
    ),
    "containers by name, those below first": (
        {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]},
        {"containers": [{"name": "c"}, {"name": "a", "tty": True}]},
        {"containers": [{"name": "a", "image": "x", "tty": True}, {"name": "b"}, {"name": "c"}]},
    ),
    "an element is removed on demand": (
        {"containers": [{"name": "a"}, {"name": "b"}]},
        {"containers": [{"name": "a", "$patch": "delete"}]},
        {"containers": [{"name": "b"}]},
    ),
    "a volume has one source": (
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
        {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
    ),
    "a variable has one content": (
        {"env": [{"name": "A", "value": "1"}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
    ),
    "mounts by path": (
        {"volumeMounts": [{"mountPath": "/a", "name": "x"}]},
        {"volumeMounts": [{"mountPath": "/a", "name": "y"}, {"mountPath": "/b", "name": "x"}]},
        {"volumeMounts": [{"mountPath": "/a", "name": "y"}, {"mountPath": "/b", "name": "x"}]},
    ),
    "a port per protocol": (
        {"ports": [{"containerPort": 1, "name": "a"}]},
        {
            "ports": [
                {"containerPort": 1, "protocol": "UDP"},
                {"containerPort": 1, "protocol": "TCP", "name": "b"},
            ]
        },
        {
            "ports": [
                {"containerPort": 1, "name": "b", "protocol": "TCP"},
                {"containerPort": 1, "protocol": "UDP"},
            ]
        },
    ),
    "a list where a map was": ({"volumes": {"a": 1}}, {"volumes": []}, {"volumes": []}),
    "a map where a list was": ({"spec": []}, {"spec": {"a": 1}}, {"spec": {"a": 1}}),
}


@pytest.mark.parametrize("case", CASES)
def test_strategic_merge(case: str) -> None:
    below, above, expected = CASES[case]
    assert strategic_merge(below, above) == expected


@pytest.mark.parametrize("case", CASES)
def test_nothing_given_is_changed(case: str) -> None:
    below, above, _ = CASES[case]
    before = repr((below, above))
    strategic_merge(below, above)
    assert repr((below, above)) == before
