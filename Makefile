# make start    run the shop on this machine
# make test     check everything
# make help     all targets
.DEFAULT_GOAL := help
SHELL := /bin/bash
ENV ?= dev
PIECE ?= shop

VENV := .venv/.installed
RUN := .venv/bin/python -m

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

$(VENV): requirements-dev.txt requirements-sam.txt requirements-policy.txt
	@python3 -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Set Pieces needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@echo "Installing what is needed into .venv, .venv-sam and .venv-policy ..."
	@python3 -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --requirement requirements-dev.txt
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-sam
	@.venv/bin/uv pip install --quiet --python .venv-sam/bin/python --requirement requirements-sam.txt
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-policy
	@.venv/bin/uv pip install --quiet --python .venv-policy/bin/python --requirement requirements-policy.txt
	@touch $@

.PHONY: start watch stop reset status logs invoke demo events trace mail feed redirects sitemaps reference parity
start: $(VENV) ## Run the shop on this machine
	@$(RUN) local.cloud start
watch: $(VENV) ## Bring every saved edit into the running shop, within seconds
	@$(RUN) local.watch
stop: ## Stop it; the state is kept
	@if [ -x .venv/bin/python ]; then $(RUN) local.cloud stop; else echo "Nothing was running."; fi
reset: ## Stop it and forget its state
	@if [ -x .venv/bin/python ]; then $(RUN) local.cloud reset; else rm -rf .local; fi
status: $(VENV) ## What runs, and the state of every stack
	@$(RUN) local.cloud status
logs: $(VENV) ## Print a function's log: make logs FN=basket-add-item
	@$(RUN) local.cloud logs --function "$(FN)" $(if $(FOLLOW),--follow)
invoke: $(VENV) ## Invoke a function: make invoke FN=basket-add-item EVENT=events/basket/add_item.json
	@$(RUN) local.cloud invoke --function "$(FN)" --event "$(EVENT)"
demo: $(VENV) ## Walk one customer through every set piece
	@$(RUN) local.demo
events: $(VENV) ## Watch the bus live, coloured by checkout
	@$(RUN) local.events
trace: $(VENV) ## One order's way through the system: make trace ORDER=T123456789
	@$(RUN) local.trace "$(ORDER)"
mail: $(VENV) ## The mails that the shop has sent, newest last
	@$(RUN) local.mail
feed: $(VENV) ## Put a feed: make feed TYPE=product|pricing|sku [FILE=feed.json]
	@$(RUN) local.feeds --type "$(TYPE)" $(if $(FILE),--file "$(FILE)")
redirects: $(VENV) ## Check and publish redirect rules: make redirects FILE=rules.json [DRY_RUN=1]
	@$(RUN) local.redirects $(FILE) $(if $(DRY_RUN),--dry-run)
sitemaps: $(VENV) ## Make the sitemaps now: make sitemaps [DRY_RUN=1] [FORCE=1]
	@$(RUN) local.sitemaps $(if $(DRY_RUN),--dry-run) $(if $(FORCE),--force)
reference: $(VENV) ## Write what callers are given: docs/api (OpenAPI, collection, problems) and the diagrams
	@$(RUN) local.reference && $(RUN) local.diagrams
parity: $(VENV) ## Every difference between the local cloud and AWS, its reason and its test
	@$(RUN) local.parity

.PHONY: iam-report iam-mutation torture test lint format test-unit test-templates test-contract test-integration test-abuse test-deployed test-browser test-resilience chromium bench bench-docs load cost
test: lint test-unit test-templates test-contract test-integration test-abuse test-browser test-resilience iam-report ## Check everything
lint: $(VENV) ## ruff, mypy, cfn-lint, sam validate, checkov, check-jsonschema
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@MYPYPATH="$$(printf "%s:" functions/*)storefront" .venv/bin/mypy
	@.venv/bin/cfn-lint templates/*.yaml
	@.venv-policy/bin/checkov --config-file .checkov.yaml && echo "checkov: no finding"
	@.venv-policy/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml >/dev/null && echo "workflows: valid"
	@ls templates/*.yaml | xargs -P 2 -I{} .venv-sam/bin/sam validate --lint --config-file $(CURDIR)/samconfig.toml --template {} >/dev/null && echo "sam validate: all templates are valid"
format: $(VENV) ## Format the code
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .
test-unit: $(VENV) ## Business rules and single AWS calls (moto)
	@$(RUN) pytest --numprocesses auto tests/unit
test-templates: $(VENV) ## Mapping templates, state machines, policies
	@$(RUN) pytest tests/templates
test-contract: $(VENV) ## OpenAPI documents and event schemas
	@$(RUN) pytest tests/contract
test-integration: start ## Every flow over HTTP against the running shop
	@$(RUN) pytest tests/integration
test-abuse: start ## Fuzzing, authorisation, malformed HTTP, injection: make test-abuse [SETPIECES_SEED=1] [SETPIECES_TORTURE=1]
	@$(RUN) pytest tests/abuse
# What is about this machine, not about the shop.
LOCAL_ONLY := deploy_path events_tail operation_calls operations parity sample_events storefront redirects sitemaps update
test-deployed: $(VENV) ## The integration tests against a deployed stage: make test-deployed ENV=dev
	@SETPIECES_STAGE=$(ENV) $(RUN) local.seed
	@SETPIECES_STAGE=$(ENV) $(RUN) pytest tests/integration $(LOCAL_ONLY:%=--ignore tests/integration/test_%.py)
test-browser: start chromium ## What people do, in a real browser; screenshots in .local/screenshots
	@$(RUN) pytest tests/browser
chromium: $(VENV)
	@command -v chromium chromium-browser google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || $(RUN) playwright install chromium
test-resilience: start ## What happens when things fail
	@$(RUN) pytest tests/resilience
# The long campaigns: every kind of fault for every call, and large numbers. Hours on two cores.
TORTURE := SETPIECES_TORTURE=1 SETPIECES_ORDERS=500 SETPIECES_SIGNUPS=1000 SETPIECES_FEED=20000 SETPIECES_VOUCHERS=200000
torture: start ## The long campaigns, of which tests/resilience and tests/abuse are the short ones: make torture [SEED=1]
	@$(TORTURE) $(if $(SEED),SETPIECES_SEED=$(SEED)) $(RUN) pytest tests/resilience tests/abuse
	@$(RUN) local.iam_mutation $(if $(SEED),--seed $(SEED))
iam-report: start ## What roles may do that no test used and no template needs: make iam-report [ALL=1]
	@$(RUN) local.iam_report $(if $(ALL),--all)
iam-mutation: start ## Take statements from live roles, one at a time; a test must notice: make iam-mutation [SAMPLE=20] [SEED=1]
	@$(RUN) local.iam_mutation $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))
bench: start ## Measure against the targets: make bench [BENCH="vouchers scaling"|all]; JSON in bench/results
	@$(RUN) bench $(BENCH)
bench-docs: $(VENV) ## Write docs/bench.md and its plots from what was measured last
	@$(RUN) bench.plots
load: start ## Black Friday: ten times the customers for a while: make load [SEED=1] [MINUTES=3]
	@$(if $(SEED),SETPIECES_LOAD_SEED=$(SEED)) $(if $(MINUTES),SETPIECES_LOAD_MINUTES=$(MINUTES)) $(RUN) bench black_friday
cost: $(VENV) ## What it costs and which limit binds first, from measured calls: make cost [MEASURE=1 of the running shop]
	@$(RUN) bench.cost $(if $(MEASURE),--measure)

.PHONY: bootstrap deploy destroy build image lock
bootstrap: $(VENV) ## Prepare an account, once, as its administrator: make bootstrap ENV=dev REPOSITORY=owner/name [OIDC_PROVIDER=arn:...]
	@$(RUN) local.deploy --env "$(ENV)" --piece delivery --repository "$(REPOSITORY)" $(if $(OIDC_PROVIDER),--oidc-provider "$(OIDC_PROVIDER)")
deploy: $(VENV) ## Deploy to AWS: make deploy ENV=dev [PIECE=basket]
	@$(RUN) local.deploy --env "$(ENV)" --piece "$(PIECE)"
destroy: $(VENV) ## What would go and stay, then delete it: make destroy ENV=dev [PIECE=basket] [CONFIRM=<stack>]
	@$(RUN) local.destroy --env "$(ENV)" --piece "$(PIECE)" $(if $(CONFIRM),--confirm "$(CONFIRM)")
build: $(VENV) ## Build for AWS (arm64 layer) without deploying
	@PIP="$(CURDIR)/.venv/bin/python -m pip" .venv-sam/bin/sam build --config-file $(CURDIR)/samconfig.toml --template templates/$(PIECE).yaml --build-dir .aws-sam/$(PIECE)
image: ## Build the storefront's image and push it: make image ENV=dev (needs Docker and AWS CLI)
	@repository=$$(aws ssm get-parameter --name /setpieces/$(ENV)/storefront/repository-uri --query Parameter.Value --output text) \
	  && aws ecr get-login-password | docker login --username AWS --password-stdin "$${repository%%/*}" \
	  && docker buildx build --platform linux/arm64 --push --tag "$$repository:$$(git rev-parse HEAD)" storefront
lock: ## Pin the requirements again
	@.venv/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 requirements-dev.in --output-file requirements-dev.txt
	@.venv/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 requirements-sam.in --output-file requirements-sam.txt
	@.venv/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 requirements-policy.in --output-file requirements-policy.txt
