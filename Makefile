# Everything a developer runs. Each target does its own set-up, once, and works offline from then on.
#
#   PYTHON=python3.13   use this interpreter, in an environment of its own (.venv-3.13);
#                       without it the first Python 3.11 or later on the path, in .venv
#   ARGS="..."          more arguments for the program behind the target (pytest, the benchmark, ...)

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

ifdef PYTHON
VENV ?= .venv-$(shell $(PYTHON) -c 'import sys; print("{}.{}".format(*sys.version_info))' 2>/dev/null)
else
VENV ?= .venv
endif
BIN := $(VENV)/bin

# Tests run in one process per core. The pure layers are covered in full by these tests; coverage is measured
# for them alone. The slow tests have a target of their own.
PARALLEL := -n auto --dist worksteal
PURE_TESTS := tests/core tests/jose tests/options tests/protect $(wildcard tests/test_*.py)
SLOW_TESTS := tests/processes tests/soak

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export COVERAGE_FILE := $(VENV)/coverage

##@ Try it

.PHONY: demo
demo: $(VENV)/.demo ## run an API in each framework against a local tenant; SERVE=1 leaves the servers up
	@$(BIN)/python docs/examples/demo.py $(ARGS)

.PHONY: serve
serve: $(VENV)/.demo ## serve the example API, protected by the tenant of the MONOCLOUD_BACKEND_* variables
	@$(BIN)/python docs/examples/serve.py $(ARGS)

##@ Check it

.PHONY: test
test: $(VENV)/.test ## run the tests and require full branch coverage of the pure layers; ARGS="..." runs some
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term --cov-fail-under=100 $(PURE_TESTS)
	$(BIN)/python -m pytest $(PARALLEL) tests $(addprefix --ignore=,$(PURE_TESTS) $(SLOW_TESTS))
endif

.PHONY: test-slow
test-slow: $(VENV)/.slow ## run the tests of processes and servers that wait, and a brief soak test
	$(BIN)/python -m pytest $(PARALLEL) $(SLOW_TESTS) $(ARGS)

.PHONY: test-lowest
test-lowest: $(VENV)-lowest/.lowest ## run the tests with the oldest dependencies that setup.py allows
	$(VENV)-lowest/bin/python -m pytest $(ARGS)

.PHONY: test-wheel
test-wheel: package ## check types and run the tests against the built wheel, away from the sources
	.ci/test-wheel $(BIN)/python $(ARGS)

.PHONY: lint
lint: $(VENV)/.test ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.test ## check types with mypy --strict, and with pyright
	$(BIN)/mypy
	$(BIN)/mypy .ci/lowest.py docs/examples
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

.PHONY: coverage
coverage: $(VENV)/.test ## run the tests and report the coverage of everything, also as build/coverage/index.html
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report= $(ARGS)
	$(BIN)/coverage html --include='monocloud_mw/*' --directory=build/coverage --quiet
	$(BIN)/coverage report --include='monocloud_mw/*'

.PHONY: bench
bench: $(VENV)/.bench ## measure against other libraries; every figure goes to build/bench
	@$(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: cost
cost: $(VENV)/.test ## show what refusing each attack costs, beside accepting a good token
	@$(BIN)/python -m tests.attacks $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.fuzz ## fuzz everything that reads bytes from outside, each target for SECONDS=60
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

.PHONY: soak
soak: $(VENV)/.soak ## minutes of traffic while the tenant fails in every way, as build/soak.svg; SECONDS=180 SEED=1
	@$(BIN)/python -m tests.soak --seconds=$(or $(SECONDS),180) --seed=$(or $(SEED),1) $(ARGS)

##@ Build it

.PHONY: docs
docs: $(VENV)/.docs ## build the documentation into build/docs; every warning is an error
	$(BIN)/sphinx-build -W -n --keep-going -b html -d build/doctrees docs build/docs
	@echo "==> build/docs/index.html"

.PHONY: package
package: $(VENV)/.test ## build the source distribution and, from it, the wheel into dist/
	rm -rf dist build/lib *.egg-info
	$(BIN)/python -m build --no-isolation --outdir dist

.PHONY: release
release: $(VENV)/.test ## build a release and check it and its changelog; uploads nothing
	.ci/release $(BIN)/python

.PHONY: lock
lock: $(VENV)-lock/.python ## raise .ci/constraints.txt to the newest versions
	.ci/lock "$(VENV)-lock" > .ci/constraints.new
	mv .ci/constraints.new .ci/constraints.txt
	rm -rf $(VENV)-lock

.PHONY: clean
clean: ## remove everything that the other targets made
	rm -rf .venv .venv-* build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -type d '(' -name __pycache__ -o -name node_modules ')' -prune -exec rm -rf {} +

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Set-up. A stamp is older than what it depends on exactly when the environment needs another look.

LOCKED := -c .ci/constraints.txt
PACKAGE := -e '.[django,fastapi,flask,redis,starlette,async]'
EVERYTHING := $(PACKAGE) -r docs/examples/requirements.txt -r tests/requirements.txt
PACKAGE_FILES := setup.py pyproject.toml .ci/constraints.txt docs/examples/requirements.txt

%/.python: .ci/create-venv
	@.ci/create-venv $(@D) $(PYTHON)
	@touch $@

define install
	@echo "==> installing what 'make $(@F:.%=%)' needs into $(@D) (once)"
	@$(@D)/bin/python -m pip install --quiet $(1)
	@touch $@
endef

$(VENV)/.demo: $(VENV)/.python $(PACKAGE_FILES)
	$(call install,$(LOCKED) -e '.[flask]' -r docs/examples/requirements.txt)

$(VENV)/.test: $(VENV)/.python $(PACKAGE_FILES) tests/requirements.txt tests/frameworks/requirements.txt
	$(call install,$(LOCKED) $(EVERYTHING) -r tests/frameworks/requirements.txt)

$(VENV)/.slow: $(VENV)/.test tests/processes/requirements.txt
	@echo "==> installing what 'make test-slow' needs into $(@D) (once)"
	@$(@D)/bin/python -m pip install --quiet $(LOCKED) -r tests/processes/requirements.txt || \
		echo "==> uWSGI cannot be built here: it needs a C compiler. Its tests are skipped." >&2
	@touch $@

$(VENV)/.docs: $(VENV)/.python $(PACKAGE_FILES) docs/requirements.txt
	$(call install,$(LOCKED) $(PACKAGE) -r docs/requirements.txt)

$(VENV)/.bench: $(VENV)/.test tests/benchmarks/requirements.txt
	$(call install,$(LOCKED) -r tests/benchmarks/requirements.txt)

$(VENV)/.fuzz: $(VENV)/.test tests/fuzz/requirements.txt
	@echo "==> installing what 'make fuzz' needs into $(@D) (once)"
	@$(@D)/bin/python -m pip install --quiet $(LOCKED) -r tests/fuzz/requirements.txt || { \
		echo "==> atheris cannot be installed here: it comes for Linux and Python 3.11 to 3.13."; \
		echo "    Try make fuzz PYTHON=python3.11. Meanwhile make test runs the same targets with hypothesis."; \
		exit 1; } >&2
	@touch $@

$(VENV)/.soak: $(VENV)/.test tests/soak/requirements.txt
	$(call install,$(LOCKED) -r tests/soak/requirements.txt)

# The locked environment first; then the oldest versions, and of the test tools what gets along with them.
$(VENV)-lowest/.lowest: $(VENV)-lowest/.python $(PACKAGE_FILES) tests/requirements.txt .ci/lowest.py
	$(call install,$(LOCKED) $(EVERYTHING))
	@$(@D)/bin/python -m pip install --quiet $$($(@D)/bin/python .ci/lowest.py) -r tests/requirements.txt
	@$(@D)/bin/python -m pip check
