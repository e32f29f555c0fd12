# `make serve` runs the server, `make test` the tests. Each makes .venv first, from pyproject.toml
# and constraints.txt, when it is missing or older than these two.

PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 3000
PYTEST_ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := test,browser,fast,jax
# What one test has compiled the next ones, in whatever process, read again.
JAX_CACHE := JAX_COMPILATION_CACHE_DIR=$(abspath $(VENV))/jax-cache \
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
# Where a backend makes a difference; what builds on these, such as transfer, is the same on both.
ON_JAX := tests/test_battery.py tests/test_backends.py $(addprefix tests/training/test_, \
    jax.py processes.py engine.py run.py precision.py augmentation.py fused_batch_norm.py)
NEEDS := keras-model-zoo needs Python 3.11 to 3.13

# pip's notice of newer versions and its cache warnings are noise in a log.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install serve test jax full browser check format bench constraints wheel clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

install: $(STAMP) ## Make .venv with everything in it (the other targets do it by themselves)

serve: $(STAMP) ## Serve the shipped models and the page on http://127.0.0.1:3000 (HOST=, PORT=)
	@exec $(BIN)/zoo serve --host $(HOST) --port $(PORT)

test: $(STAMP) ## Run the tests (PYTEST_ARGS="-k store -x")
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

jax: $(STAMP) ## Run the battery and the engine's tests on JAX, and those of both backends
	KERAS_BACKEND=jax $(JAX_CACHE) $(BIN)/python -m pytest -m "not full and not browser" -n 2 --dist loadfile \
	    $(ON_JAX) $(PYTEST_ARGS)

full: $(STAMP) ## Run the longest tests and those on full data; ZOO_TEST_DATA is a folder with the archives
	$(BIN)/python -m pytest -m full $(PYTEST_ARGS)

browser: $(STAMP) ## Run the tests of the page in Chromium
	$(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

check: $(STAMP) ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMP) ## Run the benchmarks
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

constraints: $(STAMP) ## Pin the dependencies again (UPGRADE=--upgrade for newer ones)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
	    --custom-compile-command "make constraints" $(UPGRADE) pyproject.toml -o constraints.txt

wheel: $(STAMP) ## Build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove .venv, builds and caches; models and data under $ZOO_HOME stay
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an installation that was interrupted is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c "" 2>/dev/null || { echo "$(NEEDS); there is no $(PYTHON)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v < (3, 14) and \
	    f"$(NEEDS), $(PYTHON) is {v[0]}.{v[1]}; name another one: make PYTHON=python3.13 $(MAKECMDGOALS)")'
	@echo "Installing into $(VENV); the first time this takes some minutes"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	@touch $@

# A Python that is named explicitly must be the one in .venv, or the tests would run on another.
ifneq ($(origin PYTHON),file)
$(STAMP): same-python
.PHONY: same-python
same-python:
	@test ! -x $(BIN)/python || { \
	    version='import sys; print("%d.%d" % sys.version_info[:2])'; \
	    asked=$$($(PYTHON) -c "$$version" 2>/dev/null || echo $(PYTHON)); \
	    is=$$($(BIN)/python -c "$$version"); \
	    test "$$asked" = "$$is" || { \
	        echo "$(VENV) has Python $$is, not $$asked; run make clean first, or name another VENV=" >&2; \
	        exit 1; }; }
endif
