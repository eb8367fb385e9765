# Needs python3 (3.11 or newer, with venv) and make. Everything else goes into .venv, pinned by constraints.txt.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Each test process has servers of its own, and often waits for them: two per core. A file's tests stay in one process. Those with
# a real Airflow run alone.
TEST_PROCESSES ?= 4
# A test or a demo must not inherit somebody's Airflow settings, nor compile what every one of its many processes imports again.
CLEAN_ENV := env -u AIRFLOW_HOME -u AIRFLOW_CONFIG -u PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: env
env: $(READY) ## Create .venv from constraints.txt (done by the other targets when needed)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]' \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: env ## Replicate a real industrial data set between local CDF projects and CouchDB servers with Airflow DAGs, and verify it
	@$(CLEAN_ENV) $(BIN)/python -m scripts.demo

.PHONY: up
up: env ## Run Airflow (http://127.0.0.1:8080) with local CDF, CouchDB and S3, the connections and the data, until Ctrl-C
	@$(CLEAN_ENV) $(BIN)/python -m scripts.up

.PHONY: pouchdb
pouchdb: env ## Install pouchdb-server for the tests, where Node is present (done by make test)
	@$(BIN)/python -m scripts.pouchdb

.PHONY: test
test: env pouchdb ## Run all tests (one group starts a real Airflow): make test TEST_PROCESSES=8
	@$(CLEAN_ENV) $(BIN)/python -m pytest -m 'not soak and not standalone' -n $(TEST_PROCESSES) --dist loadfile
	@$(CLEAN_ENV) $(BIN)/python -m pytest -m standalone

.PHONY: contract
contract: env ## Run the tests of CouchDB's answers against a real server: make contract COUCHDB_URL=http://admin:password@127.0.0.1:5984
	@test -n "$$COUCHDB_URL" || { echo "say which server: make contract COUCHDB_URL=http://admin:password@127.0.0.1:5984"; exit 2; }
	@$(CLEAN_ENV) $(BIN)/python -m pytest tests/contract/couchdb -k real

.PHONY: soak
soak: env ## Run the randomised tests for longer: make soak SIM_SECONDS=3600
	@$(CLEAN_ENV) SIM_SECONDS=$${SIM_SECONDS:-600} $(BIN)/python -m pytest -m soak

.PHONY: lint
lint: env ## Formatting, ruff, mypy strict, and the arrows between the packages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: bench
bench: env ## Measure against cognite-replicator, the official SDK, a bare relay and write_deltalake; writes build/bench.json
	@$(CLEAN_ENV) $(BIN)/python -m benchmarks
	@$(CLEAN_ENV) $(BIN)/python -m benchmarks.lake
	@$(CLEAN_ENV) $(BIN)/python -m benchmarks.couch

.PHONY: pins
pins: env ## Resolve the dependencies again into constraints.txt
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --no-header --no-annotate --python-version 3.11 --upgrade -o constraints.txt

.PHONY: clean
clean: ## Remove everything the targets made, but not the downloaded data set
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
