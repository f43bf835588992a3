"""Kubernetes quantities such as 500m or 2Gi, as numbers."""

from __future__ import annotations

from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity


def quantity(text: str | float | None) -> Decimal:
    """The number that a quantity means: CPUs, or bytes. What is not set counts 0."""
    return Decimal(parse_quantity(text)) if text is not None else Decimal(0)
