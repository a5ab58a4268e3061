# Five commands on a machine with Python >= 3.11 and make:
#   make demo    the main job of every task on real data, with a report to look at
#   make live    a simulated night in real time, in a browser
#   make test    linters, types and all tests
#   make bench   speed and memory beside the peers
#   make docs    the site, in build/docs, and the examples of its tutorials
# Each makes its own environment the first time and reuses it afterwards.

PYTHON ?= python3
DEMO_ENV ?= .venv
TEST_ENV ?= .venv-test

# PyTorch comes before anything that depends on it, or pip would choose a build for us. On Linux
# the index of PyPI gives the CUDA build, several GB; for the small one:
#   make test TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
TORCH_ARGS ?=

# Modules are compiled when they are first imported: a minute less than all of them at once.
PIP_FLAGS = --quiet --disable-pip-version-check --no-warn-script-location --no-compile
export PYTHONDONTWRITEBYTECODE =
DEMO_OUT ?= runs/demo
LIVE_OUT ?= runs/live
DOCS_OUT ?= build/docs

# Tests run in as many processes as there are cores; 0 is one, without any of them.
TEST_PROCESSES ?= auto

.PHONY: demo live test pytest lint bench docs clean help

help:
	@sed -n '1,7p' Makefile | cut -c3-

demo: $(DEMO_ENV)/.ready
	@$(DEMO_ENV)/bin/skysift demo --out $(DEMO_OUT)
	@echo "To see it work in real time, in a browser: make live"

live: $(DEMO_ENV)/.live-ready
	@exec $(DEMO_ENV)/bin/skysift live --out $(LIVE_OUT)

# Types are checked by one process, so tests run meanwhile.
test: $(TEST_ENV)/.ready
	@$(MAKE) --no-print-directory -j 2 lint pytest

pytest: $(TEST_ENV)/.ready
	@OMP_NUM_THREADS=1 $(TEST_ENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist worksteal

lint: $(TEST_ENV)/.ready
	@$(TEST_ENV)/bin/ruff check .
	@$(TEST_ENV)/bin/ruff format --check .
	@$(TEST_ENV)/bin/mypy
	@PATH="$(CURDIR)/$(TEST_ENV)/bin:$$PATH" lint-imports

bench: $(TEST_ENV)/.ready
	@$(TEST_ENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[bench]"
	@$(TEST_ENV)/bin/python benchmarks/gamma_hadron.py
	@$(TEST_ENV)/bin/python benchmarks/predict_file.py
	@$(TEST_ENV)/bin/python benchmarks/gamma_sky.py
	@$(TEST_ENV)/bin/python benchmarks/gamma_sky_cleaner.py
	@$(TEST_ENV)/bin/python benchmarks/gamma_sky_read.py
	@$(TEST_ENV)/bin/python benchmarks/muygps.py
	@$(TEST_ENV)/bin/python benchmarks/streaks.py
	@$(TEST_ENV)/bin/python benchmarks/streaks_bogus.py
	@$(TEST_ENV)/bin/python benchmarks/star_galaxy_alerts.py
	@$(TEST_ENV)/bin/python benchmarks/solar_disks.py
	@$(TEST_ENV)/bin/python benchmarks/solar_flare.py

docs: $(TEST_ENV)/.docs-ready
	@SKYSIFT_EXAMPLES=all OMP_NUM_THREADS=1 $(TEST_ENV)/bin/python -m pytest -q -n 0 tests/docs
	@$(TEST_ENV)/bin/sphinx-build -W --keep-going -q docs $(DOCS_OUT)
	@echo "The site: $(DOCS_OUT)/index.html"

# sunpy for the real image of the Sun that it brings.
$(DEMO_ENV)/.ready: pyproject.toml constraints.txt
	@$(call new_environment,$(DEMO_ENV))
	@echo "Installing skysift (about 200 MB, once) ..."
	@$(DEMO_ENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[boost,report]" sunpy
	@touch $@

$(DEMO_ENV)/.live-ready: $(DEMO_ENV)/.ready
	@echo "Installing what the live page needs (a few MB, once) ..."
	@$(DEMO_ENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[boost,report,serve]"
	@touch $@

$(TEST_ENV)/.ready: pyproject.toml constraints.txt
	@$(call new_environment,$(TEST_ENV))
	@echo "Installing PyTorch, then skysift with its development tools (once) ..."
	@$(TEST_ENV)/bin/python -m pip install $(PIP_FLAGS) $(TORCH_ARGS) "$(TORCH)"
	@$(TEST_ENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	@touch $@

$(TEST_ENV)/.docs-ready: $(TEST_ENV)/.ready
	@$(TEST_ENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[docs]"
	@touch $@

clean:
	rm -rf $(DEMO_ENV) $(TEST_ENV) runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One line of shell: a virtual environment, or a word on what is missing.
define new_environment
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "skysift needs Python >= 3.11; name one with: make PYTHON=python3.12" >&2; exit 1; }; test -x $(1)/bin/python || $(PYTHON) -m venv $(1) || { echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }
endef
