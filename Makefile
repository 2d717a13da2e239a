# Everything sets itself up: a virtual environment with the locked dependencies, and a PostgreSQL of its own.

PYTHON ?= python3
# Two a processor: many tests wait, for browsers, for processes to end, for time to pass.
TEST_PROCESSES ?= 4
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test fuzz screenshots check audit bench bench-quick bench-peers bench-design schema lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run ## serve on http://127.0.0.1:8585 (HELISCORE_* variables reach it)
	@exec $(BIN)/heliscore serve

test: .venv/test ## run every test
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(ARGS)

fuzz: .venv/test ## try random calls, new ones each time (about 10 minutes)
	FUZZ_TIMES=20 $(BIN)/python -m pytest tests/fuzz $(ARGS)

screenshots: .venv/test ## write every page of the demo, light, dark and narrow, into screenshots/
	$(BIN)/python -m tests.browser.screenshots screenshots

check: .venv/test .venv/bench ## format, lint, types, import contract, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory audit

audit: .venv/test ## look the locked versions up among the known vulnerabilities
	$(BIN)/python -m tests.audit

bench: .venv/bench ## measure the service, its rivals and its limits (about 10 minutes)
	$(BIN)/python -m tests.bench --output tests/bench/results $(ARGS)

bench-quick: .venv/bench ## the same, small (about a minute)
	$(BIN)/python -m tests.bench --quick $(ARGS)

bench-peers: .venv/bench .venv/peers/installed ## measure Arize Phoenix and MLflow beside it (about 10 minutes)
	$(BIN)/python -m tests.bench.peers $(ARGS)

bench-design: .venv/test ## repeat the study behind the table layout (about 15 minutes)
	$(BIN)/python -m tests.bench.design

schema: .venv/test ## write sql/schema.sql anew after a migration was added
	$(BIN)/python -m tests.store.schema

lock: .venv/test ## pin the newest versions that pyproject.toml allows
	$(PIP_INSTALL) uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade --extra test pyproject.toml --output-file tests/requirements.lock --constraint requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade --extra bench pyproject.toml --output-file tests/bench/requirements.lock \
		--constraint tests/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade --no-strip-extras tests/bench/peers.in --output-file tests/bench/peers.lock  # pip needs the extras

clean: ## remove the virtual environment and caches; the data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/python requirements.lock pyproject.toml
	@echo "installing the locked dependencies into .venv"
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	$(PIP_INSTALL) --no-deps --editable .
	@touch $@

.venv/test: .venv/run tests/requirements.lock
	@echo "installing the locked test tools into .venv"
	$(PIP_INSTALL) --require-hashes --requirement tests/requirements.lock
	@touch $@

.venv/bench: .venv/run tests/bench/requirements.lock
	@echo "installing the locked benchmark tools into .venv"
	$(PIP_INSTALL) --require-hashes --requirement tests/bench/requirements.lock
	@touch $@

.venv/peers/installed: .venv/python tests/bench/peers.lock
	@echo "installing the locked peers into .venv/peers"
	$(BIN)/python -m venv --clear .venv/peers
	.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement tests/bench/peers.lock
	@touch $@
