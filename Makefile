# Two commands: `make run` opens the studio, `make test` proves it. Both set up what they need and are quick the second time.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup
TRAINING := $(addprefix tests/test_,assembly.py baselines.py lc_resnet.py lcnet.py learning.py refit.py sweep.py training.py hindsight.py exits.py \
	block_rivals.py fbs.py iamnn.py dcn.py msdnet.py)

.PHONY: run test torture audit test-long test-cluster test-portable lint check format docs pictures browser

run: .venv/run
	$(BIN)/python -m app

test: .venv/test browser
	$(PYTEST)

# The tests marked `long`, each of which has a quick sibling in `make test`.
# The steps of the image install much, and would slow browsers down: they come last, alone.
test-long: .venv/test
	$(PYTEST) -m long --ignore tests/test_docker.py
	$(PYTEST) -m long tests/test_docker.py

# Sweeps on a Ray cluster, runs in PostgreSQL and weights in an object store, on servers of this computer that the tests start and end.
test-cluster: .venv/cluster
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || sh tests/install.sh postgresql
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/cluster

# Random files, words, kills, full disks and sessions for MINUTES; ends with a table. What failed is kept in torture-failures/.
torture: .venv/test
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture --minutes $(or $(MINUTES),120)

# Tests that train, as on processors without AVX-512 and without AVX: trainings end differently there, what is asserted must hold.
test-portable: .venv/test
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 $(PYTEST) $(TRAINING)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 $(PYTEST) $(TRAINING)

# Formatting, style and types.
lint: .venv/test tests/javascript/node_modules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	tests/javascript/node_modules/.bin/eslint --config tests/javascript/eslint.config.js app/components tests/javascript

tests/javascript/node_modules: tests/javascript/package-lock.json
	command -v npm >/dev/null || sh tests/install.sh npm
	npm ci --prefix tests/javascript --no-audit --no-fund --silent
	touch $@

check: lint test

# The software bill of materials, and the known vulnerabilities of the requirements where their list can be reached.
audit: .venv/test
	test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && .venv-audit/bin/python -m pip install --quiet \
		--disable-pip-version-check pip-audit; } || true
	$(BIN)/python -m scripts.audit

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/run: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/test: .venv/run tests/requirements.txt core/serving/requirements.txt core/search/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

.venv/cluster: .venv/test tests/cluster/requirements.txt core/store/postgresql.txt core/store/s3.txt core/training/ray.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/cluster/requirements.txt
	touch $@

docs: .venv-docs/done
	.venv-docs/bin/mkdocs build --strict --quiet

# All screenshots and the animated picture in assets/, from the networks that ship.
pictures: .venv/test browser
	$(BIN)/python tests/browser/pictures.py
	$(BIN)/python tests/browser/curves.py
	$(BIN)/python tests/browser/curves.py cifar10
	$(BIN)/python scripts/slider_picture.py

.venv-docs/done: docs/requirements.txt
	test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

browser: .venv/test
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| $(BIN)/python -m playwright install chromium || sh tests/install.sh chromium
