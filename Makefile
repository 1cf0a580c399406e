# Needs Python 3.10 or newer and make. Everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
# The lowest Python that is supported, where there is one.
PYTHON_LOWEST ?= $(shell python3.10 -V >/dev/null 2>&1 && echo python3.10 || echo $(PYTHON))
BIN_LOWEST := .venv-lowest/bin
# The tests of a file have shops and other processes in common.
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help sandbox test test-quick test-lowest test-long bench screenshots lint format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sandbox: .venv/.installed-sandbox ## Run a shop with the plugin and a simulator of Rehive; DEMO=1: with orders in every state
	@SANDBOX_DEMO=$(DEMO) $(BIN)/python sandbox/serve.py

test: .venv/.installed-dev ## Run the tests, on SQLite and on a PostgreSQL of their own
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -rs
	$(BIN)/python -m tests.with_postgres pytest -m postgres $(SIDE_BY_SIDE)

test-quick: .venv/.installed-dev ## Run the tests that need neither processes nor PostgreSQL nor long stories
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not e2e and not postgres" --ignore=tests/model

test-lowest: .venv-lowest/.installed ## Run the quick tests on the lowest versions of everything that is needed
	$(BIN_LOWEST)/python -m pytest $(SIDE_BY_SIDE) -m "not e2e and not postgres" --ignore=tests/model

test-long: .venv/.installed-dev ## Play the model, odd answers and deliveries, the race, the workers, the mutations and the mutants at length
	REHIVE_EXAMPLES=2000 $(BIN)/python -m pytest tests/model
	REHIVE_FUZZ=20000 $(BIN)/python -m pytest tests/rehive/test_fuzz.py tests/test_webhook_fuzz.py
	REHIVE_ROUNDS=3000 $(BIN)/python -m tests.with_postgres pytest -m postgres tests/race
	REHIVE_QUEUE_ORDERS=1000 $(BIN)/python -m tests.with_postgres pytest -m postgres -s tests/queue
	$(BIN)/python -m tests.mutations
	$(BIN)/python -m tests.mutants

bench: .venv/.installed-dev ## Measure, and write benchmarks/README.md; ARGS=--quick for small sizes
	$(BIN)/python -m benchmarks $(ARGS)

screenshots: .venv/.installed-dev ## Take the pictures of the docs, from a sandbox of its own
	$(BIN)/python -m docs.pictures

lint: .venv/.installed-dev ## Check style, types, layers and migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy oscar_rehive
	$(BIN)/lint-imports
	$(BIN)/python sandbox/manage.py makemigrations --check --dry-run

format: .venv/.installed-dev ## Put the code into the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove builds and caches, and with them all data of the sandbox
	rm -rf build dist *.egg-info sandbox/var
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# uv is here because pip knows no way to choose the lowest versions.
.venv-lowest/.installed: pyproject.toml
	@rm -rf .venv-lowest
	@$(PYTHON_LOWEST) -m venv .venv-lowest
	@echo "Installing into .venv-lowest …"
	@$(BIN_LOWEST)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN_LOWEST)/uv pip install --quiet --python $(BIN_LOWEST)/python --resolution lowest-direct -e ".[dev]"
	@touch $@

# A stamp for each extra, so that pip runs again only after a change of pyproject.toml.
.venv/.installed-%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "$(PYTHON) is too old: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv, a minute or two the first time …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	@touch $@
