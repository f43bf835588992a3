"""Kubernetes' strategic merge, for pod templates.

Maps are merged key by key; lists are replaced as a whole, but for those that the API declares to be
merged by a key of their elements. The table below is `patchMergeKey` of `k8s.io/api/core/v1` for
all that a PodTemplateSpec can hold. See "Use a Strategic Merge Patch" in the Kubernetes
documentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MERGE_KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_LISTS_OF_UNIONS: Final = frozenset({"env", "resourceClaims", "volumes"})
"""Lists whose elements hold one of several kinds of content: half of one kind and half of another
is no element.

The API says `retainKeys` of volumes and claims; a variable has either a value or a source.
"""
_DIRECTIVE: Final = "$patch"


def strategic_merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`overlay` laid on `base`; neither is changed.

    Null removes a key. `$patch: replace` in a map keeps nothing of what lies below it, `$patch:
    delete` in an element of a list removes the element.
    """
    if overlay.get(_DIRECTIVE) == "replace":
        base = {}
    merged = dict(base)
    for key, value in overlay.items():
        if key == _DIRECTIVE:
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged_value(key, base.get(key), value)
    return merged


def _merged_value(key: str, below: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return strategic_merge(below if isinstance(below, Mapping) else {}, value)
    merge_key = _MERGE_KEYS.get(key)
    if merge_key is None or not _is_list_of_maps(value):
        return value
    below = below if _is_list_of_maps(below) else ()
    return _merged_list(below, value, merge_key, unions=key in _LISTS_OF_UNIONS)


def _is_list_of_maps(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value)


def _merged_list(
    below: Sequence[Mapping[str, Any]],
    above: Sequence[Mapping[str, Any]],
    merge_key: str,
    *,
    unions: bool,
) -> list[dict[str, Any]]:
    """The elements of both lists, those below first, each once per value of its merge key."""
    merged = {_identity(item, merge_key): dict(item) for item in below}
    for item in above:
        identity = _identity(item, merge_key)
        if item.get(_DIRECTIVE) == "delete":
            merged.pop(identity, None)
        elif unions:
            merged[identity] = strategic_merge({}, item)
        else:
            merged[identity] = strategic_merge(merged.get(identity, {}), item)
    return list(merged.values())


def _identity(item: Mapping[str, Any], merge_key: str) -> tuple[Any, ...]:
    """What makes an element itself: a port may be open for two protocols, for example."""
    if merge_key == "containerPort":
        return (item.get(merge_key), item.get("protocol", "TCP"))
    if merge_key == "topologyKey":
        return (item.get(merge_key), item.get("whenUnsatisfiable"))
    return (item.get(merge_key),)
