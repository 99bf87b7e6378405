# make start    run the shop on this machine
# make test     run all checks
# make help     all targets
.DEFAULT_GOAL := help
SHELL := /bin/bash
ENV ?= dev
PIECE ?= shop
# Some containers disable Python's bytecode cache. Each process would then compile all its libraries again, some 40 % of its start.
unexport PYTHONDONTWRITEBYTECODE

# Prefers the system's Python, which is built with optimisations. A Python that pyenv built without them takes a third more CPU.
PYTHON ?= $(shell for python in /usr/bin/python3 python3; do \
  $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

VENV := .venv/.installed .venv-sam/.installed .venv-policy/.installed
RUN := .venv/bin/python -m
COMPILE := .venv/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes

.venv/.installed: requirements-dev.txt requirements-uv.txt
	@test "$(PYTHON)" || { echo "Set Pieces needs Python 3.11 or newer, with venv; found is $$(python3 --version 2>&1)" >&2; exit 1; }
	@echo "Installing what is needed into .venv, .venv-sam and .venv-policy ..."
	@# An environment that another Python had made would keep that one's interpreter, with this one's library.
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.txt
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes --requirement requirements-dev.txt
	@touch $@
.venv-%/.installed: requirements-%.txt | .venv/.installed
	@.venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-$*
	@.venv/bin/uv pip install --quiet --python .venv-$*/bin/python --require-hashes --requirement $<
	@touch $@

.PHONY: help
##@ Everyday
help: ## Show this help
	@awk -F ' ## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.* ## / { \
	  sub(/:.*/, "", $$1); gsub(/\$$\$$/, "$$", $$3); printf "  make %-17s %s\n", $$1, $$2; if ($$3) printf "%26s%s\n", "", $$3 }' $(MAKEFILE_LIST)

.PHONY: start watch stop reset demo env
start: $(VENV) ## Run the shop on this machine
	@$(RUN) tools.cli start
watch: $(VENV) ## Deploy each saved edit into the running shop, within seconds
	@$(RUN) tools.cli watch
stop: ## Stop the shop; the state is kept
	@if [ -x .venv/bin/python ]; then $(RUN) tools.cli stop; else echo "No process was running."; fi
reset: ## Stop the shop and delete its state
	@if [ -x .venv/bin/python ]; then $(RUN) tools.cli reset; else rm -rf .local; fi
env: $(VENV) ## Print the settings of the AWS CLI for this shop
	@$(RUN) local.cloud.aws_env
demo: $(VENV) ## Run a customer's journey through all set pieces
	@$(RUN) tools.cli demo
feed: $(VENV) ## Upload a feed and show its manifest ## TYPE=product|pricing|sku [FILE=feed.json]
	@$(RUN) tools.cli feed
redirects: $(VENV) ## Validate and publish redirect rules ## [FILE=rules.json] [DRY_RUN=1]
	@$(RUN) tools.cli redirects
sitemaps: $(VENV) ## Generate the sitemaps now ## [DRY_RUN=1] [FORCE=1]
	@$(RUN) tools.cli sitemaps

##@ Look inside
.PHONY: status addresses logs invoke events trace mail parity
status: $(VENV) ## Show the processes and the state of each stack
	@$(RUN) tools.cli status
addresses: $(VENV) ## Print the URLs of the running shop
	@$(RUN) tools.cli addresses
logs: $(VENV) ## Print the log of a function; without FN, list the functions ## FN=basket-add-item [TAIL=50] [SINCE=10m] [FOLLOW=1] [RAW=1]
	@$(RUN) tools.cli logs
invoke: $(VENV) ## Invoke a function with an event; print the end of its log if it fails ## FN=basket-add-item EVENT=events/basket/add_item.json
	@$(RUN) tools.cli invoke
events: $(VENV) ## Show the events of the bus live, coloured by checkout
	@$(RUN) tools.cli events
trace: $(VENV) ## Trace an order through the logs of all services ## ORDER=T100000001
	@$(RUN) tools.cli trace
mail: $(VENV) ## Show the mails that the shop has sent, newest last
	@$(RUN) tools.cli mail
parity: $(VENV) ## List the differences between the local cloud and AWS
	@$(RUN) tools.cli parity

##@ Check
.PHONY: iam-report iam-mutation condition-mutation torture test lint format test-unit test-interleavings test-templates test-contract test-second-opinion test-packages test-integration test-abuse test-deployed test-browser test-resilience chromium
# Passes PYTEST to the runner in the environment, to keep its quotes.
test: .venv/.installed ## Run all checks, on separate shops ## [ONLY="lint unit"] [SHOPS=4] [PYTEST="-k basket"]
	@$(RUN) tests.run $(ONLY) $(if $(SHOPS),--shops $(SHOPS)) $(if $(DURATIONS),--save-durations)
lint: .venv/.installed ## Run ruff, mypy, import-linter, cfn-lint, checkov, check-jsonschema
	@$(RUN) tests.run lint
format: $(VENV) ## Format the code
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .
test-unit: $(VENV) ## Test business rules and single AWS calls (moto)
	@$(RUN) pytest --numprocesses auto tests/unit packages/apigw-executor/tests
test-interleavings: $(VENV) ## Test races between functions, in all orders of their calls ## [SETPIECES_TORTURE=1 [SETPIECES_SEED=1]]
	@$(RUN) pytest --numprocesses auto tests/interleavings
test-templates: $(VENV) ## Test mapping templates, state machines and policies
	@$(RUN) pytest tests/templates
test-contract: $(VENV) ## Test OpenAPI documents, event schemas, imports and documentation
	@$(RUN) pytest tests/contract
test-second-opinion: $(VENV) ## Compare with other implementations; needs Java 17, Node.js
	@$(RUN) pytest tests/second_opinion
test-packages: $(VENV) ## Install the packages into clean environments; needs PyPI
	@$(RUN) pytest tests/packages
test-integration: start ## Test all flows over HTTP against the running shop
	@$(RUN) pytest tests/integration
test-abuse: start ## Attack the running shop: fuzzing, authorisation, malformed HTTP, injection ## [SETPIECES_SEED=1] [SETPIECES_TORTURE=1]
	@$(RUN) pytest tests/abuse
test-deployed: $(VENV) ## Run the integration tests on a deployed stage, with the tests' role ## ENV=dev
	@SETPIECES_STAGE=$(ENV) $(RUN) tools.cli seed
	@SETPIECES_STAGE=$(ENV) $(RUN) pytest -m "not local_only" --timeout 3600 tests/integration
test-browser: start chromium ## Test customers' journeys in a browser; screenshots in .local
	@$(RUN) pytest tests/browser
chromium: .venv/.installed
	@command -v chromium chromium-browser google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || $(RUN) playwright install chromium
test-resilience: start ## Inject faults into the running shop
	@$(RUN) pytest tests/resilience
torture: $(VENV) ## Run the long campaigns of test-resilience and test-abuse; takes hours ## [SEED=1]
	@$(RUN) tools.cli torture
iam-report: start ## List grants of roles that no test used and no template needs ## [ALL=1]
	@$(RUN) tools.cli iam-report
iam-mutation: $(VENV) ## Remove statements from live roles, one at a time; a test must fail ## [SAMPLE=20] [SEED=1]
	@$(RUN) tools.cli iam-mutation
condition-mutation: $(VENV) ## Weaken conditions of writes, one clause at a time; a test must fail ## [ONLY=vouchers]
	@$(RUN) tools.cli condition-mutation

##@ Measure
.PHONY: bench bench-docs load cost
bench: $(VENV) ## Measure against the targets; JSON in bench/results ## [BENCH="vouchers scaling"|all|summary]
	@$(RUN) tools.cli bench
bench-docs: $(VENV) ## Write docs/bench.md and its plots from the last measurements
	@$(RUN) tools.cli bench-docs
load: $(VENV) ## Simulate a Black Friday: ten times the customers for a while ## [SEED=1] [MINUTES=3]
	@$(RUN) tools.cli load
cost: $(VENV) ## Compute costs on AWS, and the first limit reached ## [MEASURE=1]
	@$(RUN) tools.cli cost

##@ Deploy
.PHONY: bootstrap preflight deploy smoke destroy build image
bootstrap: $(VENV) ## Prepare an account once, as its administrator ## ENV=dev REPOSITORY=owner/name [OIDC_PROVIDER=arn:...]
	@$(RUN) tools.cli deploy --env "$(ENV)" --piece delivery
preflight: $(VENV) ## Check the account for missing prerequisites of the first deployment ## ENV=dev [PIECE=delivery [OIDC_PROVIDER=arn:...]]
	@$(RUN) tools.cli preflight --env "$(ENV)" --piece "$(PIECE)"
deploy: $(VENV) ## Deploy to AWS ## ENV=dev [PIECE=basket]
	@$(RUN) tools.cli deploy --env "$(ENV)" --piece "$(PIECE)"
smoke: $(VENV) ## Test customers' main paths on a deployed stage, in a minute ## ENV=dev
	@SETPIECES_STAGE=$(ENV) $(RUN) tools.cli smoke
destroy: $(VENV) ## List what a stack deletes and retains, then delete it ## ENV=dev [PIECE=basket] [CONFIRM=<stack>]
	@$(RUN) tools.cli destroy --env "$(ENV)" --piece "$(PIECE)"
build: $(VENV) ## Build for AWS (arm64 layer) without deploying ## [PIECE=basket]
	@$(RUN) tools.cli build --piece "$(PIECE)"
image: $(VENV) ## Build the storefront's image and push it; needs Docker and AWS CLI ## ENV=dev
	@$(RUN) tools.cli image --env "$(ENV)"

##@ Maintain
.PHONY: install piece generate lock
install: $(VENV) ## Install dependencies into .venv, .venv-sam and .venv-policy
piece: $(VENV) ## Make a new service: template, API, code, tests, page ## NAME=coupons [ITEM=coupon]
	@$(RUN) tools.cli piece
	@$(RUN) tools.cli generate
generate: $(VENV) ## Write all generated files, diagrams and tables
	@$(RUN) tools.cli generate
lock: ## Pin the requirements again, with the hashes of their files
	@for each in $(basename $(wildcard requirements-*.in)); do $(COMPILE) --python-version 3.11 $$each.in --output-file $$each.txt || exit 1; done
	@# What is deployed runs on the Python of Lambda and of the container.
	@$(COMPILE) --python-version 3.13 --no-deps functions/common/requirements.in --output-file functions/common/requirements.txt
	@$(COMPILE) --python-version 3.13 storefront/requirements.in --output-file storefront/requirements.txt
