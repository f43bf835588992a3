"""The schema in crds/ and the typed models say the same: names, shapes, enums, defaults, rules."""

from __future__ import annotations

import types
import typing
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from streamjob_operator.api import owned_keys
from streamjob_operator.api.constants import GROUP, KIND, PLURAL, VERSION
from streamjob_operator.api.model import parse_duration
from streamjob_operator.api.spec import StreamJobSpec
from streamjob_operator.api.status import StreamJobStatus

pytestmark = pytest.mark.unit

CRD: Final[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "crds" / "streamjobs.yaml").read_text(encoding="utf-8")
)
PROPERTIES: Final[dict[str, Any]] = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"][
    "properties"
]
DURATION: Final = "^([0-9]{1,6}(ms|s|m|h|d))+$"


SCALARS: Final[dict[Any, dict[str, Any]]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    str: {"type": "string"},
    Decimal: {"x-kubernetes-int-or-string": True},
    datetime: {"type": "string", "format": "date-time"},
    timedelta: {"type": "string", "pattern": DURATION},
}


def shape(annotation: Any) -> dict[str, Any]:
    """What the schema should say of a value with this type, as far as names and types go."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Annotated, types.UnionType, typing.Union):
        return shape(arguments[0])
    if origin in (tuple, dict):
        return container_shape(origin, arguments)
    if origin is typing.Literal:
        return {"type": "string", "enum": list(arguments)}
    if annotation in SCALARS:
        return SCALARS[annotation]
    if issubclass(annotation, StrEnum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    return model_shape(annotation)


def container_shape(origin: type, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """What the schema should say of a list or a map."""
    if origin is tuple:
        return {"type": "array", "items": shape(arguments[0])}
    if arguments[1] is Any:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"type": "object", "additionalProperties": shape(arguments[1])}


def model_shape(model: type[BaseModel]) -> dict[str, Any]:
    """What the schema should say of an object of this model."""
    hints = typing.get_type_hints(model, include_extras=True)
    fields = model.model_fields.items()
    shapes = {field.alias or name: shape(hints[name]) for name, field in fields}
    required = sorted(field.alias or name for name, field in fields if field.is_required())
    return {"type": "object", "properties": shapes} | ({"required": required} if required else {})


EQUAL: Final = ("type", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
EQUAL_WHERE_THE_MODEL_KNOWS: Final = ("enum", "pattern", "format")


def differences(schema: dict[str, Any], expected: dict[str, Any], path: str) -> list[str]:
    """Where the schema says something else than the model, as lines for a reader."""
    compared = [*EQUAL, *(key for key in EQUAL_WHERE_THE_MODEL_KNOWS if key in expected)]
    found = [
        f"{path}: {key} is {schema.get(key)}, the model has {expected.get(key)}"
        for key in compared
        if schema.get(key) != expected.get(key)
    ]
    if sorted(schema.get("required", [])) != expected.get("required", []):
        found.append(f"{path}: required is {schema.get('required')}, {expected.get('required')}")
    ours, theirs = schema.get("properties", {}), expected.get("properties", {})
    found += [f"{path}.{name}: not in the model" for name in ours.keys() - theirs.keys()]
    found += [f"{path}.{name}: not in the schema" for name in theirs.keys() - ours.keys()]
    for name in ours.keys() & theirs.keys():
        found += differences(ours[name], theirs[name], f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if part in schema or part in expected:
            found += differences(schema.get(part, {}), expected.get(part, {}), f"{path}[]")
    return found


def materialised(schema: dict[str, Any]) -> Any:
    """The value that the API server stores where the user wrote nothing; None for nothing."""
    if "default" not in schema:
        return None
    default = schema["default"]
    if not isinstance(default, dict):
        return default
    parts = {name: materialised(part) for name, part in schema.get("properties", {}).items()}
    return {name: part for name, part in parts.items() if part is not None} | default


def leaves(value: Any, path: str = "") -> set[str]:
    """The paths of everything that is no object and not empty."""
    if isinstance(value, dict):
        return {leaf for name, part in value.items() for leaf in leaves(part, f"{path}.{name}")}
    return set() if value in ([], ()) else {path}


@pytest.mark.parametrize(("part", "model"), [("spec", StreamJobSpec), ("status", StreamJobStatus)])
def test_the_schema_has_the_fields_of_the_model(part: str, model: type[BaseModel]) -> None:
    assert differences(PROPERTIES[part], model_shape(model), part) == []


def test_an_empty_spec_reads_the_same_with_and_without_the_schema() -> None:
    defaulted = materialised(PROPERTIES["spec"] | {"default": {}})

    assert StreamJobSpec.model_validate(defaulted) == StreamJobSpec()
    assert leaves(defaulted) == leaves(StreamJobSpec().to_wire())


def test_names_are_those_of_the_code() -> None:
    names = CRD["spec"]["names"]
    assert (CRD["spec"]["group"], names["kind"], names["plural"]) == (GROUP, KIND, PLURAL)
    assert CRD["spec"]["versions"][0]["name"] == VERSION
    assert CRD["metadata"]["name"] == f"{PLURAL}.{GROUP}"


@pytest.mark.parametrize("text", ["90s", "10m", "1h30m", "500ms", "2d"])
def test_durations_of_the_schema_are_durations_of_the_model(text: str) -> None:
    assert StreamJobSpec.model_validate({"pause": {"timeout": text}}).pause.timeout > timedelta()
    assert (
        parse_duration(text)
        == StreamJobSpec.model_validate({"start": {"timeout": text}}).start.timeout
    )


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "-5m", "1.5h", "10m\n"])
def test_what_is_no_duration_of_the_schema_is_none_of_the_model(text: str) -> None:
    with pytest.raises(ValidationError):
        StreamJobSpec.model_validate({"pause": {"timeout": text}})


def patterned(schema: dict[str, Any], path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every part of the schema that has both a pattern and rules in words."""
    found = [(path, schema)] if {"pattern", "x-kubernetes-validations"} <= schema.keys() else []
    for name, part in schema.get("properties", {}).items():
        found += patterned(part, f"{path}.{name}")
    if "items" in schema:
        found += patterned(schema["items"], f"{path}[]")
    return found


@pytest.mark.parametrize(
    "schema",
    [pytest.param(schema, id=path) for path, schema in patterned(PROPERTIES["spec"], "spec")],
)
def test_the_rule_in_words_checks_the_same_pattern(schema: dict[str, Any]) -> None:
    quoted = schema["pattern"].replace("\\", "\\\\")
    assert f"self.matches('{quoted}')" in schema["x-kubernetes-validations"][0]["rule"]


def cel_list(words: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


def cel_rule(refused: str, message: str) -> dict[str, str]:
    """A rule of the API server that no key of the map is refused; the message names the first."""
    quoted = message.replace("'", "\\'")
    return {
        "rule": f"!self.exists(k, {refused})",
        "messageExpression": f"self.filter(k, {refused})[0] + ' {quoted}'",
    }


def owned_key_rules() -> list[dict[str, str]]:
    """The CEL rules of spec.flinkConfiguration that say what `refusal` says."""
    rules = []
    for owned in owned_keys.OWNED:
        parts = [f"k in {cel_list(owned.keys)}"] if owned.keys else []
        parts += [f"k.startsWith('{prefix}')" for prefix in owned.prefixes]
        rules.append(cel_rule(" || ".join(parts), f"belongs to the operator: {owned.remedy}"))
    environment = f"k.startsWith('{owned_keys.ENVIRONMENT_PREFIX}')"
    java = f"k.startsWith('{owned_keys.JAVA_OPTIONS_PREFIX}')"
    safe = f"self[k].matches('{owned_keys.JAVA_OPTIONS_PATTERN}')"
    line = f"self[k].matches('{owned_keys.VALUE_PATTERN}')".replace("\\", "\\\\")
    sensitive = f"{cel_list(owned_keys.SENSITIVE_WORDS)}.exists(w, k.lowerAscii().contains(w))"
    return [
        {
            "rule": f"self.all(k, k.matches('{owned_keys.KEY_PATTERN}'))",
            "message": owned_keys.KEY_REMEDY,
        },
        *rules,
        cel_rule(f"{environment} && !{java}", f"is refused: {owned_keys.ENVIRONMENT_REMEDY}"),
        cel_rule(sensitive, f"is refused: {owned_keys.SENSITIVE_REMEDY}"),
        cel_rule(f"!{line}", owned_keys.VALUE_REMEDY),
        cel_rule(f"{java} && !{safe}", owned_keys.JAVA_OPTIONS_REMEDY),
    ]


def test_the_schema_refuses_the_same_keys_as_the_operator() -> None:
    assert (
        PROPERTIES["spec"]["properties"]["flinkConfiguration"]["x-kubernetes-validations"]
        == owned_key_rules()
    )
