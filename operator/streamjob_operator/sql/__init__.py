"""Reading SQL scripts as Flink reads them: statements, pipelines, tables. Pure."""
