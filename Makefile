# The one door to the project: `make help` lists what it does. Every target sets up what it needs first.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The first of these that is new enough; give your own with `make PYTHON=/path/to/python`.
PYTHON ?= $(shell for candidate in python3.11 python3 python3.14 python3.13 python3.12; do \
	if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$candidate; break; fi; done)

DATA ?= ./data/demo
HOST ?= 127.0.0.1
PORT ?= 8080

# How many tests run at a time: one for each processor, and at most four; 0 for all in one process.
LANES ?= logical

# How long the long tests are.
STEPS ?= 200000
ROUNDS ?= 1000
SECONDS ?= 600

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
SOURCES := src tests docs $(wildcard bench examples)
LOCK_ALONE := .cache/lock/bin/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --quiet --custom-compile-command 'make lock' $(LOCK_FLAGS)
LOCK := $(LOCK_ALONE) pyproject.toml --group pyproject.toml:build

.PHONY: help serve test check fix browser matrix model engines races rude fuzz siege faults nodes ceph azure mutants bench bench-scale docs lock parts clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  %-11s %s\n' "$$name" "$$text"; done
	@echo; echo 'Settings of serve: DATA=$(DATA) HOST=$(HOST) PORT=$(PORT). Arguments for pytest, bench and lock: ARGS, LOCK_FLAGS.'

serve: $(VENV)/.run ## set up, then start the server with demo records on $(HOST):$(PORT)
	exec $(BIN)/holdfast serve --data $(DATA) --host $(HOST) --port $(PORT) --demo

test: check parts ## set up, then check and run every test, a lane of tests for each processor
	$(BIN)/python -m pytest -n $(LANES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 15 $(ARGS)

check: $(VENV)/.test ## lint, format, types and import contracts, changing nothing
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fix: $(VENV)/.test ## mend what the linter can mend and format the rest
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

browser: $(VENV)/.test parts ## let a real browser loose on all active files, on every route of every API (about ten minutes)
	$(BIN)/python -m tests.browser

matrix: $(VENV)/.test ## ask every route in every role and scope, and print how many cells there are
	$(BIN)/python -m pytest tests/authorization -s $(ARGS)

model: $(VENV)/.test ## hold the store against its model for STEPS steps
	$(BIN)/python -m tests.model --steps $(STEPS) $(ARGS)

engines: $(VENV)/.test parts ## all suites of the store and its APIs, whole, on each pair of a catalog and a place for contents
	$(BIN)/python -m pytest --engines all -s tests/conformance tests/journeys tests/core tests/accounts tests/authorization tests/model $(ARGS)

races: $(VENV)/.test ## hold ROUNDS rounds of each race and count the outcomes
	$(BIN)/python -m tests.races --rounds $(ROUNDS) $(ARGS)

rude: $(VENV)/.test ## 3,000 stalled uploads, 500 slow readers and 10,000 cut uploads, with a good client in between
	$(BIN)/python -m tests.rude

fuzz: $(VENV)/.test ## feed every parser hostile bytes for SECONDS seconds, guided by coverage where atheris installs
	@$(PIP) install --quiet --require-hashes --only-binary :all: --requirement requirements/fuzz.lock || \
		echo 'atheris does not install on this Python: the inputs come at random.'
	$(BIN)/python -m tests.fuzz $(SECONDS) $(ARGS)

siege: $(VENV)/.test parts ## let a server decode every hostile file beside a good client, and trace the children
	$(BIN)/python -m tests.media.siege

faults: $(VENV)/.test parts ## kill the store, cut its power, fail its calls, restart a million rows: about 35 minutes
	$(BIN)/python -m tests.faults.kills $(ARGS)
	$(BIN)/python -m tests.faults.sockets
	$(BIN)/python -m tests.faults.cuts $(ARGS)
	$(BIN)/python -m tests.faults.refusals
	$(BIN)/python -m tests.faults.restart

ceph: $(VENV)/.test ## set up a real Ceph of one node and hold contents in it to what is promised (about four minutes)
	@bash tests/ceph/install.sh
	$(BIN)/python -m tests.ceph

azure: $(VENV)/.test ## set up an emulator of Azure and hold contents in it to what is promised (about two minutes; Node.js)
	@bash tests/azure/install.sh .cache/azure
	$(BIN)/python -m tests.azure .cache/azure

nodes: $(VENV)/.test parts ## three servers behind a proxy: kill them, cut their database, let a standby take over: about ten minutes
	$(BIN)/python -m tests.nodes $(ARGS)

mutants: $(VENV)/.test parts ## break the safety code in a hundred places and see that a test fails for each
	$(BIN)/python -m tests.mutants

bench: $(VENV)/.test ## measure the server beside its peers and print the ratios
	$(BIN)/python -m bench.run $(ARGS)

bench-scale: $(VENV)/.test parts ## measure one node on PostgreSQL with 1, 2 and 4 processes, beside published figures
	$(BIN)/python -m bench.postgres $(ARGS)

docs: $(VENV)/.test ## write the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

lock: .cache/lock/.made ## pin the newest dependencies that fit, with hashes (LOCK_FLAGS=--upgrade for newer ones)
	$(LOCK) --output-file requirements/run.lock
	$(LOCK) --extra test --constraint requirements/run.lock --output-file requirements/test.lock
	$(LOCK_ALONE) --group pyproject.toml:redbot --output-file requirements/redbot.lock
	$(LOCK_ALONE) --group pyproject.toml:fuzz --output-file requirements/fuzz.lock

clean: ## remove the environment and caches, never data
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Databases, object stores, browsers and the like, installed by the system or from a registry.
# Each is a script tests/parts/NAME that installs what is missing and says nothing when all is there.
parts: $(VENV)/.test ## install the programs that tests drive and Python packages do not bring
	@for part in $(sort $(wildcard tests/parts/*.sh)); do bash "$$part"; done

# The stamps below are made last: a set-up that failed or was cut leaves none, and the next run takes it up again.

$(VENV)/.made:
	@if ! $(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo 'Holdfast needs Python 3.11 or newer$(if $(PYTHON),; $(PYTHON) is none). Name yours: make PYTHON=/path/to/python' >&2; exit 1; fi
	@$(PYTHON) -m venv --clear $(VENV) || { echo 'Python could not make an environment. On Debian and Ubuntu install python3-venv.' >&2; exit 1; }
	@touch $@

$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/.made
	@echo 'Setting up what the server needs (once) ...'
	@$(PIP) install --quiet --require-hashes --only-binary :all: --requirement requirements/run.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@# Decoding children are started again and again, and may find a source folder that they cannot write to.
	@$(BIN)/python -m compileall -q src/holdfast
	@touch $@

$(VENV)/.test: requirements/test.lock pyproject.toml | $(VENV)/.run
	@echo 'Setting up what the tests need (once) ...'
	@$(PIP) install --quiet --require-hashes --only-binary :all: --requirement requirements/test.lock
	@touch $@

.cache/lock/.made:
	@$(PYTHON) -m venv --clear .cache/lock
	@.cache/lock/bin/python -m pip install --quiet uv
	@touch $@
