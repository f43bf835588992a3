"""StreamJob: runs Apache Flink jobs, SQL and JAR, on Kubernetes by desired state."""

__version__ = "0.1.0"
