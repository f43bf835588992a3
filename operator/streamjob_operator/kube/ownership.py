"""Which fields of an object are no longer as they were applied, and who changed them.

With server-side apply the API server keeps beside every object which manager owns which fields
(`metadata.managedFields`; "Server-Side Apply" in the Kubernetes documentation). Whoever changes a
field takes it over, whoever removes it ends its ownership. What the server itself makes of a field,
by defaults, by writing quantities in another way or by mutating webhooks, takes nothing over. So a
field counts as edited when it is not owned any more and has another value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

Body = Mapping[str, Any]
Tree = Mapping[str, Any]
"""FieldsV1: `f:name` for a field, `k:{...}` for an element of a list by its keys; what has nothing
below it is owned as a whole."""

_IDENTITY: Final = {"apiVersion", "kind", "name", "namespace", "uid"}
_NAMING: Final = ("mountPath", "name", "containerPort", "port", "uid")
"""Fields by which an element of a list is recognised where no manager names its keys."""


@dataclass(frozen=True)
class EditedField:
    """A field that somebody else has changed or removed."""

    path: str
    """As a person would write it: `spec.template.spec.containers[main].image`."""
    manager: str = ""
    """Who owns it now, such as `kubectl-edit`; empty where nobody says."""
    in_list: tuple[str, ...] = ()
    """The way to the outermost list that it lies in; empty where it lies in none."""


@dataclass(frozen=True)
class Edit:
    """An object that was edited, and where."""

    kind: str
    name: str
    fields: tuple[EditedField, ...]

    def __str__(self) -> str:
        """The object and its fields, for messages."""
        return f"{self.kind} {self.name}: {', '.join(field.path for field in self.fields)}"


def is_applied_by(live: Body, manager: str) -> bool:
    """The manager has applied the object, and still owns fields of it."""
    return _tree_of(live, manager) is not None


def edited_fields(applied: Body, live: Body, manager: str) -> tuple[EditedField, ...]:
    """What `manager` has applied and others have changed since.

    What others have added is theirs, as it is with `kubectl apply`.
    """
    owners = _Owners(_tree_of(live, manager), tuple(_others(live, manager)))
    return tuple(_edited(_without_identity(applied), live, owners, _Place()))


def lists_as_applied(applied: Body, fields: Sequence[EditedField]) -> dict[str, Any]:
    """A merge patch that makes whole the lists in which fields of a spec were edited.

    Server-side apply alone leaves the elements of others in them: a port with another number, for
    example, would stay beside the one that is put back, and have the same name.
    """
    patch: dict[str, Any] = {}
    for steps in {field.in_list for field in fields if field.in_list[:1] == ("spec",)}:
        value: Any = applied
        for step in steps:
            value = value[step]
        at = patch
        for step in steps[:-1]:
            at = at.setdefault(step, {})
        at[steps[-1]] = value
    return patch


@dataclass(frozen=True)
class _Place:
    """Where in an object: as a person would write it, and the way to it through its maps."""

    path: str = ""
    steps: tuple[str, ...] = ()
    in_list: tuple[str, ...] = ()

    def field(self, name: str) -> _Place:
        brackets = "." in name or "/" in name
        path = f"{self.path}[{name}]" if brackets else f"{self.path}.{name}".lstrip(".")
        return _Place(path, (*self.steps, name), self.in_list)

    def element(self, name: str) -> _Place:
        return _Place(f"{self.path}[{name}]", self.steps, self.in_list or self.steps)


@dataclass(frozen=True)
class _Owners:
    """Who owns what at one place of an object, and below it."""

    ours: Tree | None
    others: tuple[tuple[str, Tree], ...]

    def below(self, key: str) -> _Owners:
        ours = self.ours.get(key) if self.ours is not None else None
        return _Owners(ours, tuple((name, tree[key]) for name, tree in self.others if key in tree))

    @property
    def is_all_ours(self) -> bool:
        return self.ours is not None and not self.ours

    @property
    def taker(self) -> str:
        """Who owns it as a whole now."""
        return next((name for name, tree in self.others if not tree), "")

    def key_of(self, element: Body) -> str | None:
        """The key of a list's element, as any of the managers writes it."""
        trees = [*((self.ours,) if self.ours is not None else ()), *(t for _, t in self.others)]
        keys = (key for tree in trees for key in tree if key.startswith("k:"))
        return next((key for key in keys if _has(element, _parsed(key))), None)


def _edited(applied: Any, live: Any, owners: _Owners, place: _Place) -> Iterator[EditedField]:
    if owners.is_all_ours or applied == [] or _same(applied, live):
        return
    if isinstance(applied, Mapping) and _goes_on(live, owners):
        yield from _edited_map(applied, live or {}, owners, place)
    elif _is_list_of_maps(applied) and _goes_on(live, owners):
        yield from _edited_list(applied, live or [], owners, place)
    elif owners.taker or not _holds(live, applied):
        yield EditedField(place.path, owners.taker, place.in_list)


def _goes_on(live: Any, owners: _Owners) -> bool:
    """The answer lies further down: not removed or taken over as a whole."""
    return owners.ours is not None or (bool(live) and not owners.taker)


def _edited_map(applied: Body, live: Body, owners: _Owners, place: _Place) -> Iterator[EditedField]:
    for name, value in applied.items():
        below = owners.below(f"f:{name}")
        yield from _edited(value, live.get(name), below, place.field(name))


def _edited_list(
    applied: Sequence[Body], live: Sequence[Body], owners: _Owners, place: _Place
) -> Iterator[EditedField]:
    for element in applied:
        key = owners.key_of(element)
        below = owners.below(key) if key is not None else _Owners(None, ())
        wanted = _parsed(key) if key is not None else _naming(element)
        found = next((each for each in live if _has(each, wanted)), None)
        name = element.get("name", next(iter(wanted.values()), ""))
        yield from _edited(element, found, below, place.element(str(name)))


def _same(applied: Any, live: Any) -> bool:
    """Equal, where what is false, zero or empty is the same as absent.

    But for an empty map that was removed: `emptyDir: {}` says something.
    """
    return applied == live or (not applied and not live and applied != {})


def _holds(live: Any, applied: Any) -> bool:
    """Everything that was applied is there; defaults and additions of others may be as well."""
    if _same(applied, live):
        return True
    if isinstance(applied, Mapping) and isinstance(live, Mapping):
        return all(_holds(live.get(name), value) for name, value in applied.items())
    if _is_list_of_maps(applied) and _is_list_of_maps(live):
        return all(any(_holds(each, element) for each in live) for element in applied)
    return False


@lru_cache(maxsize=1024)
def _parsed(key: str) -> Body:
    """The fields that make an element of a list itself; few differ from job to job."""
    parsed: Body = json.loads(key[2:])
    return parsed


def _has(element: Body, wanted: Body) -> bool:
    """The element has these keys; one that it leaves out has its default."""
    return bool(wanted) and all(element.get(name, value) == value for name, value in wanted.items())


def _naming(element: Body) -> Body:
    return next(({name: element[name]} for name in _NAMING if name in element), {})


def _is_list_of_maps(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _without_identity(body: Body) -> Body:
    about = {name: value for name, value in body["metadata"].items() if name not in _IDENTITY}
    rest = {name: value for name, value in body.items() if name not in _IDENTITY}
    return rest | {"metadata": about}


def _tree_of(live: Body, manager: str) -> Tree | None:
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") == manager and entry.get("operation") == "Apply":
            return entry.get("fieldsV1") or None
    return None


def _others(live: Body, manager: str) -> Iterator[tuple[str, Tree]]:
    for entry in live["metadata"].get("managedFields") or ():
        is_ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if not is_ours and entry.get("fieldsV1"):
            yield entry.get("manager", ""), entry["fieldsV1"]
