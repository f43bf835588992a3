"""The demonstration: a cluster, the operator, two jobs, and what can be done with them."""
