"""Decisions: what was observed and the time in, a plan out. Pure."""
