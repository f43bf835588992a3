"""Decisions: what was observed and the time in, a plan out. Pure."""

from streamjob_operator.decide.lifecycle import decide
from streamjob_operator.decide.observed import Observed
from streamjob_operator.decide.plan import Plan

__all__ = ["Observed", "Plan", "decide"]
