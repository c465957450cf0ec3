# Everything that a fresh checkout needs: make, python3 >= 3.11 and its venv module (Debian's packages make, python3,
# python3-venv). The rest is downloaded: Python packages by their hashes (.ci/lock), the private database and broker from Debian's
# signed archive (bridge/store/embedded). Nothing of the machine's is changed, no root, no container.

# All of what `make check` finds, not the first part only.
MAKEFLAGS += --keep-going

BIN := .venv/bin
PACKAGES := bridge rules dashboard simulators sql

.DEFAULT_GOAL := help
.PHONY: help demo venv venv-dev test test-odoo check check-style check-types check-imports check-sql bench chaos lock clean

help:
	@echo 'make demo  [ARGS=...]   the whole system with a simulated plant, in a minute'
	@echo 'make test  [ARGS=...]   the tests, against real servers; ARGS go to pytest'
	@echo 'make test-odoo          the contract of its connector, against a real Odoo 19 where the program `odoo` is on the PATH'
	@echo 'make check              style, types, imports between packages, SQL'
	@echo 'make bench [ARGS=...]   how many readings a second this machine stores'
	@echo 'make chaos [SEED=n]     kill things at random, and count what is left; without SEED a random one, which it prints'
	@echo 'make venv               .venv with what runs'
	@echo 'make lock  [ARGS=...]   .ci/lock from pyproject.toml; ARGS go to uv, such as --upgrade'
	@echo 'make clean              remove what the above made here; kept data and the cache of servers stay'

demo: venv
	@$(BIN)/amor demo $(ARGS)

venv:
	@.ci/venv run

venv-dev:
	@.ci/venv dev

# Browser tests want Debian's chromium; the rest does not. Most tests wait for servers and not for the processor: three workers, each with
# servers of its own and whole files, keep two cores busy. ARGS of one's own run in one process, as a debugger wants it.
WORKERS := $(if $(ARGS),,-n 3 --dist loadfile)
test: venv-dev
	@case '$(ARGS)' in ''|*browser*) .ci/chromium ;; esac
	@$(BIN)/python -m pytest $(WORKERS) $(ARGS)

# Odoo is in none of the registries that the tests install from.
test-odoo: venv-dev
	@AMOR_TEST_ODOO=real $(BIN)/python -m pytest tests/contract/test_connector*.py -k odoo19 $(ARGS)

check: check-style check-types check-imports check-sql

check-style: venv-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: venv-dev
	$(BIN)/mypy $(PACKAGES)

check-imports: venv-dev
	$(BIN)/lint-imports

check-sql: venv-dev
	$(BIN)/sqlfluff lint --disable-progress-bar sql

bench: venv
	@$(BIN)/amor bench $(ARGS)

chaos: venv-dev
	@seed='$(SEED)'; seed=$${seed:-$$(shuf -i 0-999999 -n 1)}; echo "chaos seed: $$seed"; \
	AMOR_CHAOS_SEED=$$seed $(BIN)/python -m pytest -m chaos $(ARGS)

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock:
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	$(LOCK) $(ARGS) --output-file .ci/lock/run.txt
	$(LOCK) $(ARGS) --extra dev --output-file .ci/lock/dev.txt

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache test-results
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
