# Commands for development. Each target installs what it needs on its first run and then works offline.
#
#   PYTHON=python3.13   use this interpreter, in a separate environment (.venv-3.13);
#                       default: the first Python 3.11 or later on the path, in .venv
#   ARGS="..."          additional arguments for the target's program (pytest, the benchmark, ...)

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

# PURE_TESTS cover the pure layers completely; coverage is measured for these only, in one process, because more
# processes make it much slower. The others run beside it with lower priority. Many of them wait, so they get more
# processes than there are cores. Tests with the marker `slow` have a separate target.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PARALLEL := --dist worksteal -n $(CORES)
PARALLEL_WAITING := --dist worksteal -n $(shell echo $$(($(CORES) * 2)))
PARALLEL_BESIDE := --dist worksteal -n $(shell echo $$(($(CORES) * 2 - 1)))
PURE_TESTS := tests/core tests/jose tests/options tests/protect $(wildcard tests/test_*.py)
SLOW_TESTS = $(shell grep -rl --include='*.py' 'pytest\.mark\.slow' tests)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE := # empty: without bytecode files, each of many processes compiles all modules
export COVERAGE_FILE := $(VENV)/coverage

##@ Try it

.PHONY: demo
demo: $(VENV)/.demo ## run an API in each framework against a local tenant; SERVE=1 keeps the servers running
	@$(BIN)/python docs/examples/demo.py $(ARGS)

.PHONY: serve
serve: $(VENV)/.demo ## serve the example API for the tenant in the MONOCLOUD_BACKEND_* variables
	@$(BIN)/python docs/examples/serve.py $(ARGS)

##@ Check it

.PHONY: setup
setup: $(VENV)/.docs $(VENV)/.bench ## install what the checks, the documentation and the benchmarks need

.PHONY: setup-lowest
setup-lowest: $(VENV)-lowest/.lowest ## install what `make test-lowest` needs

.PHONY: test
test: $(VENV)/.test ## run the tests, with full branch coverage of the pure layers; ARGS="..." selects tests
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@echo "==> the tests of the pure layers run beside the others; their output follows"
	@$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=100 $(PURE_TESTS) \
		>$(VENV)/pure-tests.log 2>&1 & pure=$$!; trap "kill $$pure 2>/dev/null || true" EXIT; status=0; \
	nice -n 5 $(BIN)/python -m pytest $(PARALLEL_BESIDE) -m "not slow" tests $(addprefix --ignore=,$(PURE_TESTS)) || status=1; \
	wait $$pure || status=1; trap - EXIT; cat $(VENV)/pure-tests.log; exit $$status
endif

.PHONY: test-slow
test-slow: $(VENV)/.docs $(VENV)/.test ## run the slow tests: real servers, command lines and outages, and a short soak test
	$(BIN)/python -m pytest $(PARALLEL_WAITING) -m slow $(SLOW_TESTS) $(ARGS)

.PHONY: test-lowest
test-lowest: $(VENV)-lowest/.lowest ## run the tests with the oldest dependencies that setup.py allows
	$(VENV)-lowest/bin/python -m pytest $(ARGS)

.PHONY: test-wheel
test-wheel: package ## check types and run the tests with the built wheel, outside the source tree
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
coverage: $(VENV)/.test ## run the tests and report the coverage of all code, also as build/coverage/index.html
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report= $(ARGS)
	$(BIN)/coverage html --include='monocloud_mw/*' --directory=build/coverage --quiet
	$(BIN)/coverage report --include='monocloud_mw/*'

.PHONY: bench
bench: $(VENV)/.bench ## run the benchmarks against other libraries; results are in build/bench
	@$(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: cost
cost: $(VENV)/.test ## show the cost of rejecting each attack, compared with accepting a valid token
	@$(BIN)/python -m tests.attacks $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.fuzz ## fuzz all parsers of untrusted input, each target for SECONDS=60
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

.PHONY: soak
soak: $(VENV)/.soak ## run traffic while the tenant fails in many ways; chart in build/soak.svg; SECONDS=180 SEED=1
	@$(BIN)/python -m tests.soak --seconds=$(or $(SECONDS),180) --seed=$(or $(SEED),1) $(ARGS)

##@ Build it

.PHONY: docs
docs: $(VENV)/.docs ## build the documentation in build/docs; warnings are errors
	$(BIN)/sphinx-build -W -n --keep-going -b html -d build/doctrees docs build/docs
	@echo "==> build/docs/index.html"

.PHONY: package
package: $(VENV)/.test ## build the source distribution and the wheel in dist/
	rm -rf dist build/lib *.egg-info
	$(BIN)/python -m build --no-isolation --outdir dist

.PHONY: release
release: $(VENV)/.test ## build a release and check it and its changelog; uploads nothing
	.ci/release $(BIN)/python

.PHONY: lock
lock: $(VENV)-lock/.python ## update .ci/constraints.txt to the newest versions
	.ci/lock "$(VENV)-lock" > .ci/constraints.new
	mv .ci/constraints.new .ci/constraints.txt
	rm -rf $(VENV)-lock

.PHONY: clean
clean: ## remove all generated files
	rm -rf .venv .venv-* build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -type d '(' -name __pycache__ -o -name node_modules ')' -prune -exec rm -rf {} +

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Setup. Each environment has a stamp file per target; Make reinstalls if a dependency is newer than the stamp.

LOCKED := -c .ci/constraints.txt
PACKAGE := -e '.[django,fastapi,flask,redis,starlette,async]'
EVERYTHING := $(PACKAGE) -r docs/examples/requirements.txt -r tests/requirements.txt
PACKAGE_FILES := setup.py pyproject.toml .ci/constraints.txt docs/examples/requirements.txt

%/.python: .ci/create-venv
	@.ci/create-venv $(@D) $(PYTHON)
	@touch $@

define install
	@echo "==> installing what 'make $(@F:.%=%)' needs into $(@D) (once)"
	@.ci/install $(@D) $(1)
	@touch $@
endef

$(VENV)/.demo: $(VENV)/.python $(PACKAGE_FILES)
	$(call install,$(LOCKED) -e '.[flask]' -r docs/examples/requirements.txt)

$(VENV)/.test: $(VENV)/.python $(PACKAGE_FILES) tests/requirements.txt tests/frameworks/requirements.txt
	$(call install,$(LOCKED) $(EVERYTHING) -r tests/frameworks/requirements.txt)

$(VENV)/.docs: $(VENV)/.python $(PACKAGE_FILES) docs/requirements.txt
	$(call install,$(LOCKED) $(PACKAGE) -r docs/requirements.txt)

$(VENV)/.bench: $(VENV)/.test tests/benchmarks/requirements.txt
	$(call install,$(LOCKED) -r tests/benchmarks/requirements.txt)

$(VENV)/.fuzz: $(VENV)/.test tests/fuzz/requirements.txt
	@echo "==> installing what 'make fuzz' needs into $(@D) (once)"
	@.ci/install $(@D) $(LOCKED) -r tests/fuzz/requirements.txt || { \
		echo "==> atheris cannot be installed: it supports Linux and Python 3.11 to 3.13 only."; \
		echo "    Try make fuzz PYTHON=python3.11. make test runs the same targets with hypothesis."; \
		exit 1; } >&2
	@touch $@

$(VENV)/.soak: $(VENV)/.test tests/soak/requirements.txt
	$(call install,$(LOCKED) -r tests/soak/requirements.txt)

# Install the locked versions first, then the oldest ones, with compatible versions of the test tools.
$(VENV)-lowest/.lowest: $(VENV)-lowest/.python $(PACKAGE_FILES) tests/requirements.txt .ci/lowest.py
	$(call install,$(LOCKED) $(EVERYTHING))
	@.ci/install $(@D) $$($(@D)/bin/python .ci/lowest.py) -r tests/requirements.txt
	@$(@D)/bin/python -m pip check
