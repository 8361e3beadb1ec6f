# Everything that a person types here; each target sets up what it needs.
# The interpreter can be chosen: make test PYTHON=python3.12

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: demo test check tests crash soak mutants bench clean
.DEFAULT_GOAL := test

# One stamp a set of extras: installed again only when pyproject.toml changes.
$(VENV)/%.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/demo.py

# Side by side: mypy has one process, and would leave the other cores idle.
test:
	@$(MAKE) --no-print-directory --jobs=2 check tests

check: $(VENV)/test,dev,demo.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: $(VENV)/test,dev,demo.stamp
	rm -f .coverage*
	$(BIN)/python -m pytest --numprocesses=auto --cov --cov-report=term

# Every command at every point, for some hours; CRASH=--help shows how to choose.
crash: $(VENV)/test,dev,demo.stamp
	$(BIN)/python -m tests.support.crash $(CRASH)

# All that the tests only sample, for some hours; SOAK=--help shows how to choose.
soak: $(VENV)/test,dev,demo.stamp
	$(BIN)/python -m tests.support.soak $(SOAK)

# A sample of faults in the rules and the hook: do the tests find them? MUTANTS=--help likewise.
mutants: $(VENV)/test,dev,demo.stamp
	$(BIN)/python -m tests.support.mutants $(MUTANTS)

bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .coverage* .pytest_cache .hypothesis .mypy_cache .ruff_cache
