# What can be done here: make help

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
TESTBED := tests/testbed/testbed
IMAGE := build/streamjob-operator.tar
PYTEST := $(VENV)/bin/pytest

.PHONY: help
help: ## This list
	@echo "StreamJob: Apache Flink jobs on Kubernetes by desired state"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) \
		| while IFS=$$'\t' read -r target words; do printf '  make %-16s %s\n' "$$target" "$$words"; done

##
.PHONY: demo demo-down
# With KUBE_CONTEXT=NAME the demo uses that cluster and builds none.
demo: venv ## Cluster, operator, two jobs, and all that can be done with them
	@examples/demo/run

demo-down: venv ## Remove everything that the demo made, its own cluster included
	@examples/demo/down

.PHONY: cluster cluster-quiet cluster-down
cluster: cluster-quiet ## Start the test bed: a one-node Kubernetes 1.34 of the project's own
	@echo "To use it:"
	@echo "  export KUBECONFIG=$$($(TESTBED) kubeconfig)"
	@command -v kubectl >/dev/null \
		|| echo "  export PATH=$$(dirname "$$($(TESTBED) binary)"):\$$PATH    # for kubectl"

cluster-quiet:
	@$(TESTBED) up

cluster-down: ## End the test bed; its builds stay in the cache
	@$(TESTBED) down

.PHONY: image
image: $(IMAGE) ## Build the operator's image to build/streamjob-operator.tar

$(IMAGE): Dockerfile .dockerignore pyproject.toml README.md requirements/operator.txt requirements/build.txt \
		$(shell find operator -name '*.py' -o -name '*.java' -o -name py.typed)
	@$(TESTBED) operator-image $@
	@echo "The operator's image is in $@"

.PHONY: dev
dev: venv cluster-quiet ## Run the operator as a process in the test bed, restarted on change
	@kubectl() { $(TESTBED) enter "$$($(TESTBED) binary)" kubectl "$$@"; }; \
	kubectl apply -k crds; \
	if kubectl -n streamjob-system get deployment streamjob-operator >/dev/null 2>&1; then \
		kubectl -n streamjob-system scale deployment streamjob-operator --replicas=0; \
		kubectl -n streamjob-system wait --for=delete pod --timeout=60s \
			-l app.kubernetes.io/name=streamjob-operator; \
		echo "The operator in the cluster sleeps; kubectl apply -k deploy/ wakes it."; \
	fi
	@echo "The operator runs here now; Ctrl-C ends it. In another terminal:"
	@echo "  export KUBECONFIG=$$($(TESTBED) kubeconfig)"
	@STREAMJOB_LEADER_ELECTION=false \
		exec $(TESTBED) enter $(VENV)/bin/watchfiles --filter python --sigint-timeout 10 \
		$(VENV)/bin/streamjob-operator operator/streamjob_operator

##
.PHONY: test
test: ## Everything: format, lint, types, layers, unit, API server, cluster
	@tests/run

.PHONY: test-unit test-apiserver test-cluster
test-unit: venv ## Unit tests alone: seconds, no cluster
	@$(PYTEST) -q -m unit

test-apiserver: venv ## Tests on a real API server, without nodes
	@$(TESTBED) binary >/dev/null
	@$(PYTEST) -q -m apiserver

test-cluster: venv cluster-quiet image ## Scenarios with real Flink on the test bed
	@$(TESTBED) load-image $(IMAGE)
	@$(PYTEST) -q -m cluster

.PHONY: soak
MINUTES ?= 60
soak: venv cluster-quiet image ## Kill everything at random for MINUTES=60 while wishes change, SEED=N to replay
	@$(TESTBED) load-image $(IMAGE)
	@$(VENV)/bin/python -m tests.cluster.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

.PHONY: churn
churn: venv ## The operator's memory while jobs come and go for MINUTES=60
	@$(TESTBED) binary >/dev/null
	@$(VENV)/bin/python -m tests.apiserver.churn --minutes $(MINUTES)

.PHONY: check
check: venv ## Format, lint, types, import layers
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

.PHONY: format
format: venv ## Format the code and mend what can be mended
	@$(VENV)/bin/ruff check --fix-only .
	@$(VENV)/bin/ruff format .

.PHONY: docs
docs: venv ## Write docs/failures.md from the tests
	@$(VENV)/bin/python -m tests.failure_table

##
.PHONY: venv
venv: $(VENV)/complete ## The Python environment of the project, in .venv

$(VENV)/complete: requirements/dev.txt
	@requirements/install $(VENV) $(PYTHON)
	@touch $@

.PHONY: requirements
requirements: ## Pin the newest versions that pyproject.toml allows
	@requirements/pin $(PYTHON)
