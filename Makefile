# Everything that a person types here; each target sets up what it needs. `make` alone lists them.
# The interpreter can be chosen: make test PYTHON=python3.12

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: help demo test check tests docs site crash soak mutants bench clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One stamp a set of extras: installed again only when pyproject.toml changes.
$(VENV)/%.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

demo: $(VENV)/demo.stamp  ## the whole story on a really trained model, in a temporary folder
	$(BIN)/python examples/demo.py

# Side by side: mypy has one process, and would leave the other cores idle.
test: $(VENV)/test,dev,demo.stamp $(VENV)/docs.stamp  ## what CI runs: check, docs and tests
	@$(MAKE) --no-print-directory --jobs=2 check docs tests

check: $(VENV)/test,dev,demo.stamp  ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: $(VENV)/test,dev,demo.stamp  ## the tests, with coverage
	rm -f .coverage*
	$(BIN)/python -m pytest --numprocesses=auto --cov --cov-report=term

# MkDocs' notice that Material is only maintained until May 2027 is no news at each build.
docs: $(VENV)/docs.stamp  ## build the site into site/, strictly: a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

site: $(VENV)/site.stamp  ## build the pages of this repository's own registry into public/
	$(BIN)/gitreg site build --output public

crash: $(VENV)/test,dev,demo.stamp  ## kill every command at every point, for hours; CRASH=--help
	$(BIN)/python -m tests.support.crash $(CRASH)

soak: $(VENV)/test,dev,demo.stamp  ## the long runs, whole, that the tests sample; SOAK=--help
	$(BIN)/python -m tests.support.soak $(SOAK)

mutants: $(VENV)/test,dev,demo.stamp  ## break the rules and look which tests notice; MUTANTS=--help
	$(BIN)/python -m tests.support.mutants $(MUTANTS)

bench: $(VENV)/bench.stamp  ## measure gitreg beside MLflow and GTO; see benchmarks/
	$(BIN)/python -m benchmarks

clean:  ## remove what these targets made
	rm -rf $(VENV) .coverage* .pytest_cache .hypothesis .mypy_cache .ruff_cache site public dist
