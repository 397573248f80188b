# Every command of the project; `make help` lists them. One Python for all: 3.13.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: bench-replication providers bench-demo bench-deploy bench-words bench-call bench-load bench-communications bench-tickets help bootstrap demo test check unit emulator mocked mock-config workflow e2e format up deploy status down reset logs invoke sam-invoke sam-api call redrive mailbox token docker-check lock clean

BIN := .venv/bin
PYTHON := $(BIN)/python
INSTANCE ?= dev
# What plays AWS: embedded, localstack or container (docs/containers.md).
ENV ?= embedded
ENGINE := --engine $(ENV) --instance $(INSTANCE)
CLOUD := $(PYTHON) -m local.cloud $(ENGINE)

export PYTHONPATH := functions
export PYTHONPYCACHEPREFIX := $(CURDIR)/.local/pycache
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= us-east-1
export NO_PROXY := 127.0.0.1,localhost,$(NO_PROXY)
export no_proxy := $(NO_PROXY)

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

bootstrap: ## make or update the virtual environments (all other targets do it by themselves)
	@python3 local/bootstrap.py

demo: bootstrap ## real calls and messages through the laptop cloud; DEMO=<domain> one domain, CALLS=<folder> your recordings
	@$(PYTHON) -m local.demo $(ENGINE) --deploy $(if $(DEMO),--domain $(DEMO)) $(if $(CALLS),--calls "$(CALLS)")

test: bootstrap ## everything that can be tested on one machine
	@$(MAKE) --no-print-directory -j2 --output-sync=target check emulator providers mocked & beside=$$!; \
	$(BIN)/pytest -q tests/workflow tests/e2e; stories=$$?; wait $$beside && exit $$stories

check: bootstrap ## formats, lints, types, template, architecture and unit tests
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy functions
	$(BIN)/cfn-lint template.yaml && $(BIN)/sam validate --lint --region us-east-1
	$(BIN)/pytest -q tests/unit

unit: bootstrap ## unit tests alone; T=<expression> chooses
	$(BIN)/pytest -q tests/unit $(if $(T),-k "$(T)")

emulator: bootstrap ## tests of the emulator's plugins
	.venv-emulator/bin/python -m pytest -q tests/emulator

providers: bootstrap ## storage clients and simulators over real connections, wsgidav and rclone among them
	$(BIN)/pytest -q tests/providers

mocked: bootstrap ## every path of every state machine with mocked tasks; MOCKED_ENDPOINT=<url> on an engine that runs
	$(BIN)/pytest -q tests/mocked $(if $(T),-k "$(T)")

mock-config: bootstrap ## write the mock file of mocked paths again
	$(PYTHON) -m tests.mocked.generate

workflow: bootstrap ## every path of every state machine; T=<expression>, KEEP_TEST_CLOUD=1 keeps the cloud
	$(BIN)/pytest -q tests/workflow $(if $(T),-k "$(T)")

e2e: bootstrap ## whole stories through the front door; ENV=localstack on another engine
	AFTERCALL_ENGINE=$(ENV) $(BIN)/pytest -q tests/e2e $(if $(T),-k "$(T)")

format: bootstrap ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

up: bootstrap ## start the laptop cloud; PORT=<number> chooses its port
	@$(CLOUD) start $(if $(PORT),--port $(PORT))

deploy: bootstrap ## build and deploy the template into the laptop cloud
	@$(CLOUD) deploy

status: bootstrap ## what runs, where, and what is deployed
	@$(CLOUD) status

down: bootstrap ## stop the laptop cloud and everything it started
	@$(CLOUD) stop

reset: bootstrap ## forget all state: stop, start and deploy again
	@$(CLOUD) reset

logs: bootstrap ## the functions' logs; F=<part of a name> chooses
	@$(CLOUD) logs $(if $(F),--function $(F))

invoke: bootstrap ## run one deployed function on its event; F=PostCallFetchRecordingFunction
	@$(CLOUD) invoke $(F) $(if $(E),--event $(E))

sam-invoke: bootstrap ## the same in a container of Lambda's own image, by `sam local invoke`; ENV=localstack
	@$(CLOUD) sam-invoke $(F) $(if $(E),--event $(E))

sam-api: bootstrap ## the REST API by `sam local start-api`; ENV=localstack, PORT=<number>
	@$(CLOUD) sam-api $(if $(PORT),--port $(PORT))

call: bootstrap ## read one call; CALL=<how its id begins>
	@$(CLOUD) call $(CALL)

redrive: bootstrap ## start a failed call again; CALL=<how its id begins>
	@$(CLOUD) redrive $(CALL)

mailbox: bootstrap ## the e-mails and SMS that went out; TO=<address or number>
	@$(CLOUD) mailbox $(if $(TO),--to "$(TO)")

token: bootstrap ## a token for the REST API; ROLE=operator, or several roles; SUBJECT=<name>
	@$(CLOUD) token $(foreach role,$(ROLE),--role $(role)) $(if $(SUBJECT),--subject $(SUBJECT))

docker-check: bootstrap ## all that containers can run, on stand-ins; A="--images official" on the engine and images in use
	@$(PYTHON) -m local.containers.check $(A); status=$$?; $(PYTHON) -m local.containers.results; exit $$status

lock: bootstrap ## write all lock files again
	@sh local/lock.sh

bench-demo: bootstrap ## a fresh clone's first and second demo: time and memory
	$(PYTHON) -m benchmarks.demo

bench-deploy: bootstrap ## from nothing to deployed, and again after one change
	$(PYTHON) -m benchmarks.deploy

bench-words: bootstrap ## word error rate of each sample
	$(PYTHON) -m benchmarks.words

bench-call: bootstrap ## one call against the speech engine alone; CALL=<recording>, A="--agent-channel 1"
	$(PYTHON) -m benchmarks.call $(CALL) $(A)

bench-load: bootstrap ## N recordings at once (default 200)
	$(PYTHON) -m benchmarks.load $(if $(N),--recordings $(N))

bench-tickets: bootstrap ## N tickets (default 500) and REPRESENTATIVES (default 20) while functions are killed
	$(PYTHON) -m benchmarks.tickets $(if $(N),--tickets $(N)) $(if $(REPRESENTATIVES),--representatives $(REPRESENTATIVES)) $(A)

bench-communications: bootstrap ## a storm of N messages (default 2000) with failures of every kind, then a redrive
	$(PYTHON) -m benchmarks.communications $(if $(N),--messages $(N)) $(A)

bench-replication: bootstrap ## a month before and after, on the embedded cloud and simulated; A="--help" tells more
	$(PYTHON) -m benchmarks.replication $(A)
	$(PYTHON) -m benchmarks.replication_simulation $(S)

clean: down ## stop the laptop cloud; remove builds, state and virtual environments
	rm -rf .aws-sam .local .venv .venv-emulator .venv-lambda .mypy_cache .pytest_cache .ruff_cache
