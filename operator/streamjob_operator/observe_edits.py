"""What others have changed of a run's objects since they were applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamjob_operator.api import constants
from streamjob_operator.builders.run import objects_of
from streamjob_operator.kube.kinds import Kind
from streamjob_operator.kube.ownership import Edit, edited_fields

Body = dict[str, Any]


def edits_seen(config_map: Body | None, found: Mapping[Kind, Sequence[Body]]) -> tuple[Edit, ...]:
    """Compares what the run's ConfigMap keeps with what the API server has.

    Nothing can be told of a run without its record; what is missing or on its way out is no edit.
    """
    try:
        kept = objects_of(config_map) if config_map is not None else ()
    except ValueError:
        return ()
    live = {
        (kind.name, body["metadata"]["name"]): body
        for kind, bodies in found.items()
        for body in bodies
        if "deletionTimestamp" not in body["metadata"]
    }
    edits = []
    for applied in kept:
        kind, name = applied["kind"], applied["metadata"]["name"]
        if (kind, name) in live:
            fields = edited_fields(applied, live[kind, name], constants.FIELD_MANAGER)
            edits += [Edit(kind, name, fields)] if fields else []
    return tuple(edits)
