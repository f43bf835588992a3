"""Builders: from a run's record to Kubernetes objects. Pure."""
