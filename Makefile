# Two commands: `make lab` to use kvmkit, `make test` to show that it works. `make help` lists the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

BIN := .venv/bin
# The terminal of kk.console.
XTERM := kvmkit/forms/xterm/xterm.js
# More for JupyterLab, for example `make lab LAB_ARGS="--no-browser --port=8890"`.
LAB_ARGS ?=
# The folder whose runbooks `make lab` opens.
RUNBOOKS ?= notebooks
# For `make run-NAME`: the host, and the runbook's parameters as words NAME=VALUE, quoted as for a shell.
URI ?= test:///default
PARAMETERS ?=
# For `make bench`: one part, such as bridge; or --smoke, which runs each part once and judges nothing.
BENCH_ARGS ?=
# For `make virtual-host`: ready; bare, on which libvirt and QEMU are not installed yet; or selinux.
VHOST ?= ready
# For `make soak`: how many rounds the commit shall have in all, and of which tiers (all unless some are named).
ROUNDS ?= 10
TIERS ?=
# For `make matrix`: which part; without one the parts are listed.
PART ?=
# For `make fresh`: root, user or container. SUITE, bookworm or trixie, is read by all tests.
AS ?= root
# For `make acceptance-online`: the folder of a Debian mirror that has dists and pool, udebs included.
MIRROR ?=
DIST ?= dist

.PHONY: help lab test soak matrix fresh acceptance acceptance-long acceptance-online virtual-host bench notebooks pictures docs dist lint lock clean system test-system

help: ## List what there is to make
	@sed -n -e 's/%/NAME/' -e 's/^\([a-zA-Z-]*\):.* ## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

lab: system .venv/stamp $(XTERM) ## Set up what is missing, then open the runbooks in JupyterLab
	exec $(BIN)/kvmkit lab --folder='$(RUNBOOKS)' $(LAB_ARGS)

run-%: .venv/stamp ## Run a runbook without a person, such as run-10-check-host URI=qemu:///system
	@$(BIN)/kvmkit run $* --uri '$(URI)' $(PARAMETERS)

test: test-system .venv/stamp $(XTERM) ## Set up what is missing, then run every test tier that this machine allows
	$(BIN)/python -m tests.run

soak: test-system .venv/stamp $(XTERM) ## Repeat tiers while the processors are busy, and count what fails: ROUNDS=10 TIERS="browser netlab"
	$(BIN)/python -m tests.soak $(ROUNDS) $(TIERS)

matrix: test-system .venv/stamp $(XTERM) ## Prove what multiplies, one PART at a time: each fault on each backend, Debian 12 …
	$(BIN)/python -m tests.matrix $(PART)

fresh: test-system .venv/stamp ## Try README's two commands on a machine without packages: AS=root, user or container
	$(BIN)/python -m tests.fresh $(AS)

# The bound is for a machine on which the virtual host's images are not built yet; building is silent.
# Two at a time: most of what a host does is one process after the other. By file, as the tests of one may share
# VMs that take minutes to make.
# The virtual hosts are Debian 12 as long as those of Debian 13 have not passed all of these tests.
acceptance acceptance-long: export SUITE := bookworm
acceptance: test-system .venv/stamp ## Run the runbooks against a virtual KVM host, and install systems
	timeout --foreground --kill-after=10 3600 $(BIN)/python -m pytest -v -n 2 --dist loadfile --durations=0 -o faulthandler_timeout=1800 tests/acceptance

acceptance-long: test-system .venv/stamp ## Prove what takes hours: each preparing plan, SELinux, random faults of bridges, installations
	timeout --foreground --kill-after=10 7200 $(BIN)/python -m pytest -v -o faulthandler_timeout=3600 tests/long

acceptance-online: test-system .venv/stamp ## Install Debian by its own installer from a full mirror, MIRROR=URL
	MIRROR=$(MIRROR) timeout --foreground --kill-after=10 36000 $(BIN)/python -m pytest -v \
		-o faulthandler_timeout=36000 tests/online

virtual-host: test-system .venv/stamp ## Start a throw-away KVM host to try the runbooks on, until Ctrl-C
	@$(BIN)/python -m tests.vhost $(VHOST)

bench: .venv/stamp ## Measure: medians and ratios of one run
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

notebooks: .venv/stamp ## Run the runbooks and store their outputs
	$(BIN)/python tools/notebooks.py

pictures: test-system .venv/stamp $(XTERM) ## Take the documentation's pictures of JupyterLab anew
	$(BIN)/pytest --pictures tests/browser

docs: .venv/stamp ## Build the documentation into build/docs, warnings being errors
	tools/build-docs

lint: .venv/stamp ## Check style, types, the direction of imports and shell scripts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck --shell=sh --severity=warning --exclude=SC2174 $$(git ls-files '*.sh')
	$(BIN)/shellcheck --severity=warning $$(git ls-files .ci tools | grep -v '\.py$$')

dist: .venv/stamp $(XTERM) ## Build sdist and wheel into dist/, or DIST=FOLDER
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir $(DIST)

lock: .venv/stamp ## Write requirements.lock anew, with the newest versions that pyproject.toml allows
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal \
		--python-version 3.11 --extra lab --group test --group docs --group dev \
		--output-file requirements.lock pyproject.toml

clean: ## Remove what was built, the virtual environment included
	rm -rf .venv build dist docs/tutorials/runbooks kvmkit/forms/xterm .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

system: ## Install the system packages that are missing
	@tools/system-packages

test-system: ## Install those that only tests need, too
	@tools/system-packages test

# After `system`, which may have to install the Python and the headers that this needs.
.venv/stamp: requirements.lock pyproject.toml tools/make-venv | system
	@tools/make-venv

# 77: it can't be had here, and the script has said why.
$(XTERM): tools/get-xterm | .venv/stamp
	@tools/get-xterm || { [ $$? = 77 ] && echo "going on without the terminal of kk.console"; }
