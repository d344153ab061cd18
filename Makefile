# From a bare clone, with nothing but python3 (3.11 or newer) and make.
#
#   make test    every check and test        make docs    write the generated pages again
#   make run     refresh, serve the site     make clean   remove what make made (never your data)

PYTHON ?= python3
# The tests wait for servers more than they compute, so more of them than there are cores.
WORKERS ?= 4
# Where make run serves.
PORT ?= 8001

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools

.PHONY: help setup test run docs clean

help:
	@sed -n 's/^#   //p' Makefile

setup: $(TOOLS)

# What is run.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# What it is developed and tested with, as well. pip knows --group since 25.1; the one that comes with Python 3.11 is
# older. Plugins that fail every page until they are configured lie apart; the tests of signing in load them.
$(TOOLS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target $(VENV)/plugins \
		'datasette-auth-github>=1.0' 'datasette-auth-headers>=0.1'
	@touch $@

test: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(WORKERS)

# Stopped by Ctrl-C it has not failed, wherever it was.
run: $(READY)
	@stopped=0; trap 'stopped=1' INT; $(BIN)/tracker up --port $(PORT) || exit $$((stopped ? 0 : $$?))

docs: $(TOOLS)
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
