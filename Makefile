# Assay. `make` alone says what there is.
#
# Needs Python 3.11 or newer and make. Everything goes into .venv; the first start also fetches the
# jars of Kafka from Maven Central.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Made when the locked dependencies, and after them the project itself, are in .venv.
LOCKED := $(VENV)/.locked
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help run test demo bench check format clean setup

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Start everything: PostgreSQL, Kafka, all services, the demo tenant. Ctrl-C stops it
	@exec $(BIN)/assay up

demo: setup ## Play a training programme on the running stack and tell what came of it
	@$(BIN)/assay demo

bench: setup ## Measure the running stack against the ceilings of this machine
	@status=0; $(BIN)/assay bench || status=1; \
	$(BIN)/assay bench --reads --json bench-reads.json || status=1; \
	$(BIN)/assay bench --decisions --json bench-decisions.json || status=1; exit $$status

test: setup ## Run all tests, on a real PostgreSQL and a real Kafka
	@$(BIN)/python -m pytest

check: setup ## Format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## Bring the code into its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## Stop the local stack and remove .venv and caches; its data in .assay stays
	@if [ -x $(BIN)/assay ]; then $(BIN)/assay down; fi
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(INSTALLED) ## Make .venv with the locked dependencies, where it is missing or old

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Assay needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(LOCKED): requirements.lock | $(BIN)/python
	@echo "installing the locked dependencies into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# The project is installed in place: a changed source file needs no new installation.
$(INSTALLED): $(LOCKED) pyproject.toml
	@echo "installing assay into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
