# Every target does its own set-up; a second run reuses it. PYTHON=3.12 chooses another Python.
.PHONY: setup demo test test-fast test-all test-newest test-wheel nightly docs lint format clean

ENV := $(or $(UV_PROJECT_ENVIRONMENT),.venv)
BIN := $(ENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PYTHONWARNINGS ?= ignore
# Two processes: tests spend their time tracing, which takes one core each. PYTEST_ARGS= runs them in one.
PYTEST_ARGS ?= --numprocesses 2 --dist loadfile
# What depends on Keras and TensorFlow most: the slow tests that run on the newest ones too. `make nightly` runs all.
ON_KERAS ?= fer_keras/layers fer_keras/losses fer_keras/models fer_keras/export fer_keras/testing

setup:
	@scripts/setup

demo: setup ## corpus -> TFX pipeline -> saved_models/ -> server -> gRPC answer
	@$(BIN)/python scripts/demo.py

test: lint ## everything that takes seconds to a few minutes
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not long"

test-fast: setup ## without TFX and without slow tests
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not slow and not long and not tfx"

test-all: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-newest: ## the library and the server on the newest TensorFlow and Keras
	@scripts/setup newest
	$(ENV)-newest/bin/python -m pytest $(PYTEST_ARGS) tests/fer_keras tests/serving -m "not slow and not long"
	$(ENV)-newest/bin/python -m pytest $(PYTEST_ARGS) $(addprefix tests/,$(ON_KERAS)) -m "slow and not long"

test-wheel: setup ## the wheel in an empty environment on every Python here that it is for
	$(BIN)/python -m pytest -s tests/test_wheel.py

nightly: setup ## every fenced block of README and tutorials, the wheel, the newest Keras, links to the world outside (network)
	$(BIN)/python -m pytest tests/test_readme.py tests/test_tutorials.py tests/test_wheel.py
	$(MAKE) test-newest ON_KERAS="fer_keras serving"
	$(BIN)/python scripts/check_links.py

docs: setup ## the documentation site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## environments and runs; nothing that is tracked
	rm -rf .venv .venv-* .tools runs site .pytest_cache .ruff_cache .hypothesis
