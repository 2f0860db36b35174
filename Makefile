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
.PHONY: help run test test-long tools demo bench check format clean setup

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Start everything: PostgreSQL, Kafka, all services, the demo tenant. Ctrl-C stops it
	@exec $(BIN)/assay up

demo: setup ## Play a training programme on the running stack and tell what came of it
	@$(BIN)/assay demo

bench: setup ## Measure the running stack against the ceilings of this machine
	@status=0; $(BIN)/assay bench || status=1; \
	$(BIN)/assay bench --reads --json bench-reads.json || status=1; \
	$(BIN)/assay bench --credentials --json bench-credentials.json || status=1; \
	$(BIN)/assay bench --decisions --json bench-decisions.json || status=1; exit $$status

test: setup ## Run all tests, on a real PostgreSQL and a real Kafka
	@$(BIN)/python -m pytest

test-long: setup ## Run the tests that take more time with more, and other, generated values
	@ASSAY_TEST_LONG=1 $(BIN)/python -m pytest tests/credentials/test_credentials_canonical.py

# Debian's name of each tool that tests start, and the program that shows that it is there.
TOOLS := chromium:chromium softhsm2:softhsm2-util

tools: ## Install what tests need beside Python (Chromium, SoftHSM), where Debian's apt can
	@missing=; for tool in $(TOOLS); do \
	  command -v $${tool#*:} >/dev/null || missing="$$missing $${tool%:*}"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "make tools: there is no apt-get; install$$missing yourself" >&2; exit 0; \
	fi; \
	if [ "$$(id -u)" = 0 ]; then as=; \
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as="sudo -n"; \
	else echo "make tools: only root can install$$missing: sudo make tools" >&2; exit 0; fi; \
	echo "installing$$missing"; \
	$$as apt-get -qq update && \
	DEBIAN_FRONTEND=noninteractive $$as apt-get -qq install --yes --no-install-recommends $$missing \
	  >/dev/null || echo "make tools: apt-get could not install$$missing" >&2

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
