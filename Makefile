# Everything sets itself up: a virtual environment with the locked dependencies, and a PostgreSQL of its own.

PYTHON ?= python3
VENV ?= .venv
# Five for two processors: many tests wait, for browsers, for processes to end, for time to pass. With four, a fifth of
# the processors' time was left.
TEST_PROCESSES ?= 5
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv takes 4 s of a processor for what takes pip 130. It does not read pip's configuration: where packages come from an
# index that only that names, pip installs them.
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement
INSTALL_LOCKED = $(UV_INSTALL) $(1) || $(PIP_INSTALL) --require-hashes --requirement $(1)
PYTEST := $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --upgrade

# Where images set it, each process would compile each module: a test process for 13 s, each command for 0.3 s.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-postgres test-python fuzz screenshots check audit bench bench-quick bench-peers \
	bench-design bench-statistics schema lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run ## serve on http://127.0.0.1:8585 (HELISCORE_* variables reach it)
	@exec $(BIN)/heliscore serve

test: $(VENV)/test ## run every test, or some: make test ARGS="tests/unit/test_scores.py -k name"
	$(PYTEST) $(ARGS)

test-fast: $(VENV)/test ## run the unit tests and the quick ones of the store (under a minute)
	$(PYTEST) -m "not slow" tests/unit tests/store $(ARGS)

test-postgres: $(VENV)/test ## run the tests on other PostgreSQLs, 14 to 18: make test-postgres VERSION="14 18"
	$(BIN)/python -m tests.postgres $(VERSION) -- --numprocesses $(TEST_PROCESSES) --dist loadfile $(ARGS)

test-python: ## run every test on another Python: make test-python PYTHON=python3.13
	@$(MAKE) --no-print-directory test VENV=.venv/$(notdir $(PYTHON))

fuzz: $(VENV)/test ## try random calls, new ones each time (about 10 minutes)
	FUZZ_TIMES=20 $(BIN)/python -m pytest tests/fuzz $(ARGS)

screenshots: $(VENV)/test ## write every page of the demo, light, dark and narrow, into screenshots/
	$(BIN)/python -m tests.browser.screenshots screenshots

check: $(VENV)/test $(VENV)/bench ## format, lint, types, import contract, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy $$(find tests/bench -name '*.py')
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory audit

audit: $(VENV)/test ## look the locked versions up among the known vulnerabilities
	$(BIN)/python -m tests.audit

bench: $(VENV)/bench ## measure the service, its rivals and its limits (about 10 minutes)
	$(BIN)/python -m tests.bench --output tests/bench/results $(ARGS)

bench-quick: $(VENV)/bench ## the same, small (about a minute)
	$(BIN)/python -m tests.bench --quick $(ARGS)

bench-peers: $(VENV)/bench $(VENV)/peers/installed ## measure Arize Phoenix and MLflow beside it (about 10 minutes)
	$(BIN)/python -m tests.bench.peers $(ARGS)

bench-design: $(VENV)/test ## repeat the study behind the table layout (about 15 minutes)
	$(BIN)/python -m tests.bench.design

bench-statistics: $(VENV)/test ## simulate how often intervals cover, and findings are wrong (about 4 minutes)
	$(BIN)/python -m tests.bench.statistics

schema: $(VENV)/test ## write sql/schema.sql anew after a migration was added
	$(BIN)/python -m tests.store.schema

# Each file is constrained by those before it: one environment holds them all.
lock: $(VENV)/test ## pin the newest versions that pyproject.toml allows
	$(UV_COMPILE) --group install --output-file tests/install.lock
	$(UV_COMPILE) pyproject.toml --output-file requirements.lock
	$(UV_COMPILE) --group build --constraint requirements.lock --output-file deploy/build.lock
	$(UV_COMPILE) pyproject.toml --group test --constraint requirements.lock --constraint deploy/build.lock \
		--output-file tests/requirements.lock
	$(UV_COMPILE) pyproject.toml --group bench --constraint tests/requirements.lock \
		--output-file tests/bench/requirements.lock
	$(UV_COMPILE) --no-strip-extras tests/bench/peers.in --output-file tests/bench/peers.lock  # pip needs the extras
	for name in frameworks opentelemetry promptlayer; do \
		$(UV_COMPILE) tests/sdk/clients/$$name.in --excludes tests/sdk/clients/excluded.txt \
			--overrides tests/sdk/clients/overridden.txt --output-file tests/sdk/clients/$$name.lock || exit; \
	done
	$(UV_COMPILE) tests/sdk/clients/generator.in --constraint tests/requirements.lock \
		--output-file tests/sdk/clients/generator.lock

clean: ## remove the virtual environment and caches; the data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run: $(VENV)/python requirements.lock deploy/build.lock pyproject.toml
	@echo "installing the locked dependencies into $(VENV)"
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock --requirement deploy/build.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/uv: $(VENV)/run tests/install.lock
	@echo "installing the locked installer into $(VENV)"
	$(PIP_INSTALL) --require-hashes --requirement tests/install.lock
	@touch $@

$(VENV)/test: $(VENV)/uv tests/requirements.lock
	@echo "installing the locked test tools into $(VENV)"
	$(call INSTALL_LOCKED,tests/requirements.lock)
	@touch $@

$(VENV)/bench: $(VENV)/uv tests/bench/requirements.lock
	@echo "installing the locked benchmark tools into $(VENV)"
	$(call INSTALL_LOCKED,tests/bench/requirements.lock)
	@touch $@

$(VENV)/peers/installed: $(VENV)/python tests/bench/peers.lock
	@echo "installing the locked peers into $(VENV)/peers"
	$(BIN)/python -m venv --clear $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement tests/bench/peers.lock
	@touch $@
