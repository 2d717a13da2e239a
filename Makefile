# Everything sets itself up: a virtual environment with the locked dependencies, and a PostgreSQL of its own.

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test check bench bench-quick bench-design schema lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run ## serve on http://127.0.0.1:8585 (HELISCORE_* variables reach it)
	@exec $(BIN)/heliscore serve

test: .venv/test ## run every test
	$(BIN)/python -m pytest $(ARGS)

check: .venv/test .venv/bench ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench ## measure the service, its rivals and its limits (about 10 minutes)
	$(BIN)/python -m tests.bench --output tests/bench/results $(ARGS)

bench-quick: .venv/bench ## the same, small (about a minute)
	$(BIN)/python -m tests.bench --quick $(ARGS)

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
