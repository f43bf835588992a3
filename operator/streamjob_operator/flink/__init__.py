"""The adapter to Flink's REST interface."""
