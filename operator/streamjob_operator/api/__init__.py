"""The StreamJob API, typed: spec, status, conditions, names."""
