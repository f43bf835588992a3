"""The base of the typed API: camelCase on the wire, frozen snake_case in code."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Model(BaseModel):
    """A value of the API. What is not set is absent on the wire, never null."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )

    def to_wire(self) -> dict[str, Any]:
        """The value as Kubernetes stores it."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_duration(text: str) -> timedelta:
    """`90s`, `10m`, `1h30m`, `2d` as a timedelta. Raises ValueError with the accepted form."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write for example 90s, 10m or 1h30m")
    total = timedelta()
    for number, unit in parts:
        total += timedelta(**{_UNITS[unit]: int(number)})
    return total


def _as_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _duration_text(value: timedelta) -> str:
    return f"{int(value.total_seconds())}s"


def _time_text(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


Duration = Annotated[timedelta, BeforeValidator(_as_duration), PlainSerializer(_duration_text)]
"""A span of time, written like `10m` in a resource."""

Time = Annotated[datetime, PlainSerializer(_time_text)]
"""An instant in UTC, to the second, as Kubernetes writes them."""
