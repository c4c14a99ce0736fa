# `make` says what there is. Everything needed is installed by the first command that needs it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# More extras to install into .venv, separated by commas: make venv EXTRAS=train,cuda
EXTRAS ?=
comma := ,
extras := datasets,maps,simulation,dev$(if $(EXTRAS),$(comma)$(EXTRAS))
bin := .venv/bin

# One stamp per set of extras. What CMake builds and what pip installs makes it old; Python files do not (editable).
stamp := .venv/installed-$(subst $(comma),-,$(extras))
built_from := $(wildcard setup.py pyproject.toml CMakeLists.txt package.xml cmake/* requirements/*.txt scripts/setup/* \
  scripts/nodes/* msg/*.msg srv/*.srv launch/* config/*)

# Launch tests have the machine to themselves: they watch the clock. The others share its cores, a file at a time.
parallel := --numprocesses=auto --maxprocesses=8 --dist=loadfile

# Nodes of tests, benchmarks and demos talk to this machine only.
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST

.PHONY: help venv demo test lint format bench clean
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(stamp) ## install everything into .venv (system libraries too, as root)

$(stamp): $(built_from)
	@python="$$(scripts/setup/system.sh)"
	if ! $(bin)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
	  echo "Creating .venv with $$python"
	  "$$python" -m venv --clear .venv
	fi
	echo "Installing the build tools"
	$(bin)/python scripts/setup/ros.py requirements | $(bin)/pip install --quiet --requirement /dev/stdin
	echo "Building the messages and installing zoox_stack [$(extras)]"
	ros="$$($(bin)/python scripts/setup/ros.py extra)"
	$(bin)/pip install --quiet --no-build-isolation --editable ".[$(extras)$${ros:+,$$ros}]"
	touch $@

demo: venv ## drive through traffic and write a report to out/demo
	$(bin)/zoox-stack demo --out out/demo

test: venv ## all tests; PYTEST_ARGS="test/unit/core -x" for a part, one after another
ifdef PYTEST_ARGS
	$(bin)/python -m pytest $(PYTEST_ARGS)
else
	$(bin)/python -m pytest $(parallel) test/packaging test/unit test/ros || failed=1
	$(bin)/python -m pytest test/launch || failed=1
	exit "$${failed:-0}"
endif

lint: venv ## ruff and mypy
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy

format: venv ## let ruff format and fix what it can
	$(bin)/ruff format .
	$(bin)/ruff check --fix .

bench: venv ## benchmarks, see benchmarks/
	$(bin)/python -m benchmarks $(BENCH_ARGS)

clean: ## remove everything that was built, .venv too
	rm -rf .venv build install log out dist *.egg-info zoox_stack/msg zoox_stack/srv zoox_stack/*.so \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.ONESHELL:
