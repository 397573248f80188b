"""What holds the project together and no other tool looks at.

Names that run through state, function, file, event and test; every transition of every state
machine; the policies against what the code and the machines really call; what may import what; and
the documents that repeat what the code says.
"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import asl
from tests.unit import aws_actions
from tests.unit.template import REPOSITORY, template

FUNCTIONS = REPOSITORY / "functions"
DOMAINS = sorted(
    folder.name
    for folder in FUNCTIONS.iterdir()
    if folder.is_dir() and folder.name != "shared" and any(folder.glob("*.py"))
)
MODULES = sorted(
    ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts) for path in FUNCTIONS.rglob("*.py")
)
STEPS = [module for module in MODULES if "handler" in aws_actions.load(module).definitions]
MACHINES = asl.machines()
TASKS = asl.states("Task")
SERVICE = "arn:aws:states:::"
"""How the Resource of a service integration begins; every other one is a function's."""


def pascal(name: str) -> str:
    """`fetch_recording` and `Fetch Recording` are `FetchRecording`."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[_\s-]+", name.strip("?")))


def snake(name: str) -> str:
    """`Needs Follow-up?` is `needs_follow_up`."""
    return "_".join(re.split(r"[\s-]+", name.strip("?").lower()))


def resource(logical_id: str) -> dict[str, Any]:
    return template().resources[logical_id]["Properties"]


def ids(tasks: list[tuple[asl.Scope, str, dict[str, Any]]]) -> list[str]:
    return [f"{scope.machine}: {name}" for scope, name, _ in tasks]


# --- one name runs everywhere


@pytest.mark.parametrize("module", STEPS)
def test_a_step_has_one_name_from_file_to_resource_to_event_to_test(module):
    domain, file = module.split(".")
    logical_id = f"{pascal(domain)}{pascal(file)}Function"

    assert resource(logical_id)["Handler"] == f"{module}.handler"
    assert (REPOSITORY / "events" / domain / f"{file}.json").is_file()
    assert (REPOSITORY / "tests" / "unit" / domain / f"test_{file}.py").is_file()


def test_every_function_of_the_template_has_its_file():
    handlers = {f["Handler"] for f in template().of_type("AWS::Serverless::Function").values()}

    assert handlers == {f"{module}.handler" for module in STEPS}


def test_every_event_belongs_to_a_step():
    events = (REPOSITORY / "events").rglob("*.json")

    assert {f"{path.parent.name}.{path.stem}" for path in events} == set(STEPS)


def test_every_machine_has_one_name_from_file_to_resource():
    declared = {
        logical_id: machine["DefinitionUri"]
        for logical_id, machine in template().of_type("AWS::Serverless::StateMachine").items()
    }

    assert declared == {
        f"{pascal(name)}StateMachine": f"statemachine/{name}.asl.json" for name in MACHINES
    }


@pytest.mark.parametrize(("scope", "name", "state"), TASKS, ids=ids(TASKS))
def test_a_task_calls_the_function_of_its_own_name_or_a_service(scope, name, state):
    if state["Resource"].startswith(SERVICE):
        return
    assert state["Resource"] == f"${{{pascal(name)}FunctionArn}}"
    substitutions = resource(f"{pascal(scope.machine)}StateMachine")["DefinitionSubstitutions"]
    value = substitutions[f"{pascal(name)}FunctionArn"]
    logical_id, attribute = value["Fn::GetAtt"]
    assert attribute == "Arn"
    assert logical_id in {f"{pascal(domain)}{pascal(name)}Function" for domain in DOMAINS}


PASSING_PARAMETERS = [
    task
    for task in TASKS
    if "Parameters" in task[2] and not task[2]["Resource"].startswith(SERVICE)
]


@pytest.mark.parametrize(
    ("scope", "name", "state"), PASSING_PARAMETERS, ids=ids(PASSING_PARAMETERS)
)
def test_the_event_of_a_step_has_what_its_state_passes(scope, name, state):
    module = resource(function_of(scope, name))["Handler"].removesuffix(".handler")
    event = json.loads((REPOSITORY / "events" / f"{module.replace('.', '/')}.json").read_text())

    assert set(event) == {key.removesuffix(".$") for key in state["Parameters"]}


def test_all_functions_run_on_the_processor_of_the_parameter():
    assert template().function_globals["Architectures"] == [{"Ref": "Architecture"}]
    functions = template().of_type("AWS::Serverless::Function").values()
    assert [function for function in functions if "Architectures" in function] == []


@pytest.mark.parametrize("name", MACHINES)
def test_substitutions_are_those_that_the_machine_uses(name):
    used = set(re.findall(r"\$\{(\w+)\}", json.dumps(MACHINES[name])))

    declared = resource(f"{pascal(name)}StateMachine").get("DefinitionSubstitutions", {})
    assert set(declared) == used


# --- state machines


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_says_what_it_is_for_and_ends_in_time(name):
    comment = MACHINES[name]["Comment"]

    assert "Input:" in comment
    assert "Output:" in comment
    assert MACHINES[name]["TimeoutSeconds"] > 0


@pytest.mark.parametrize("scope", asl.all_scopes(), ids=lambda s: f"{s.machine}: {s.start_at}")
def test_every_transition_leads_somewhere_and_every_state_is_reached(scope):
    transitions = list(scope.transitions())

    missing = [t for t in transitions if t.target not in scope.states]
    assert missing == []
    reached, waiting = set(), [scope.start_at]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting += [t.target for t in transitions if t.source == current]
    assert reached == set(scope.states)


@pytest.mark.parametrize(
    ("scope", "name", "state"), asl.states(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_state_goes_on_or_ends(scope, name, state):
    ends = state["Type"] in ("Succeed", "Fail", "Choice") or state.get("End") is True

    assert ends != ("Next" in state)


def test_only_the_portable_part_of_the_language_is_used():
    avoided = {"QueryLanguage", "Assign", "Arguments", "Output", "ItemBatcher", "Credentials"}

    used = [(name, key) for scope, name, state in asl.states() for key in avoided & set(state)]
    assert used == []
    assert [name for name in MACHINES if "{%" in json.dumps(MACHINES[name])] == []


def test_no_function_or_machine_is_named_outside_a_substitution():
    named = [name for name in MACHINES if re.search(r"arn:aws:(lambda|states:[^:])", dumped(name))]

    assert named == []


def dumped(name: str) -> str:
    return json.dumps(MACHINES[name])


@pytest.mark.parametrize(("scope", "name", "state"), TASKS, ids=ids(TASKS))
def test_a_task_ends_in_time_and_outlives_its_function(scope, name, state):
    assert state.get("TimeoutSeconds", 0) > 0 or "TimeoutSecondsPath" in state
    if state["Resource"].startswith(SERVICE):
        return
    function = function_of(scope, name)
    timeout = resource(function).get("Timeout", template().function_globals["Timeout"])
    assert state["TimeoutSeconds"] > timeout


def function_of(scope: asl.Scope, name: str) -> str:
    machine = resource(f"{pascal(scope.machine)}StateMachine")
    value = machine["DefinitionSubstitutions"][f"{pascal(name)}FunctionArn"]
    return str(value["Fn::GetAtt"][0])


def test_a_wait_for_a_token_has_a_limit_and_a_route_out():
    for scope, name, state in TASKS:
        if ".waitForTaskToken" in state["Resource"]:
            limits = {"HeartbeatSeconds", "HeartbeatSecondsPath", "TimeoutSecondsPath"}
            assert limits & set(state), (scope.machine, name)
            caught = {error for catcher in state["Catch"] for error in catcher["ErrorEquals"]}
            assert caught & {"States.Timeout", "States.ALL"}, (scope.machine, name)
            assert passes_the_token(state["Parameters"]), (scope.machine, name)


def passes_the_token(parameters: Any) -> bool:
    """Whether the token of a Task stands anywhere in its Parameters, where a path is read."""
    if isinstance(parameters, list):
        return any(map(passes_the_token, parameters))
    if not isinstance(parameters, dict):
        return False
    return any(
        "$$.Task.Token" in value if key.endswith(".$") else passes_the_token(value)
        for key, value in parameters.items()
    )


def test_a_token_is_passed_by_a_path_at_any_depth():
    def update(values: dict[str, Any]) -> dict[str, Any]:
        return {"TransactItems": [{"Update": {"ExpressionAttributeValues": values}}]}

    assert passes_the_token(update({":token": {"S.$": "$$.Task.Token"}}))
    assert not passes_the_token(update({":token": {"S": "$$.Task.Token"}}))
    assert not passes_the_token(update({":token": {"S.$": "$.token"}}))


def test_the_retriers_are_the_same_text_everywhere():
    of_functions = [s["Retry"] for _, _, s in TASKS if not s["Resource"].startswith(SERVICE)]
    of_services = [s["Retry"] for _, _, s in TASKS if s["Resource"].startswith(SERVICE)]

    assert [retry for retry in of_functions if retry != of_functions[0]] == []
    assert [retry for retry in of_services if retry != of_services[0]] == []
    names = [retrier["ErrorEquals"] for retrier in of_functions[0]]
    assert "Lambda.TooManyRequestsException" in names[0]
    assert names[1] == ["TransientError"]
    for retrier in [*of_functions[0], *of_services[0]]:
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["MaxDelaySeconds"] > 0
        assert not {"States.ALL", "States.TaskFailed"} & set(retrier["ErrorEquals"])


def test_an_error_of_dynamodb_is_retried_under_both_of_its_names():
    """An optimised integration says DynamoDB, one of the AWS SDK says DynamoDb, and knows more."""
    for retrier in next(s["Retry"] for _, _, s in TASKS if s["Resource"].startswith(SERVICE)):
        named = [error.split(".") for error in retrier["ErrorEquals"]]
        optimised = {error for service, error in named if service == "DynamoDB"}
        assert optimised
        assert optimised < {error for service, error in named if service == "DynamoDb"}


def children(tasks: list[tuple[asl.Scope, str, dict[str, Any]]] = TASKS) -> set[str]:
    """The machines that others run as a part of theirs: they wait, and record failures."""
    started = {
        other
        for _, _, state in tasks
        if state["Resource"] == f"{SERVICE}states:startExecution.sync:2"
        for other in re.findall(r"\$\{(\w+)StateMachineArn\}", json.dumps(state["Parameters"]))
    }
    return {name for name in MACHINES if pascal(name) in started}


def test_a_machine_that_others_start_and_do_not_wait_for_is_no_part_of_theirs():
    def start(resource: str, machine: str) -> tuple[asl.Scope, str, dict[str, Any]]:
        state = {"Resource": f"{SERVICE}states:{resource}"}
        parameters = {"StateMachineArn": f"${{{machine}StateMachineArn}}"}
        return asl.Scope("any", "Start", {}), "Start", state | {"Parameters": parameters}

    tasks = [
        start("startExecution.sync:2", "ReplicationTask"),
        start("startExecution", "ReplicationService"),
    ]

    assert children(tasks) == {"replication_task"}


GOES_ON_AFTER_FAILURES = {("replication_worker", "Replicate Entity")}
"""What one entity fails with is recorded by the next state, and does not stop the others."""

CAUGHT = [
    (scope, name, state)
    for scope, name, state in asl.states()
    if state["Type"] in ("Task", "Map", "Parallel")
    and scope.machine not in children()
    and (scope.machine, name) not in GOES_ON_AFTER_FAILURES
    and scope.states == MACHINES[scope.machine]["States"]
]


def test_every_machine_that_nobody_runs_as_a_part_of_itself_has_something_to_catch():
    assert {scope.machine for scope, _, _ in CAUGHT} == set(MACHINES) - children()


@pytest.mark.parametrize(("scope", "name", "state"), CAUGHT, ids=ids(CAUGHT))
def test_whatever_fails_is_recorded_under_its_state_and_ends_with_the_real_error(
    scope, name, state
):
    last = state["Catch"][-1]

    assert last["ErrorEquals"] == ["States.ALL"]
    for catcher in state["Catch"][:-1]:
        assert "States.ALL" not in catcher["ErrorEquals"]
    if last["Next"] == "Record Failure":
        assert last["ResultPath"] == f"$.failed.{snake(name)}"
    ends = fails_reached(scope, last["Next"])
    assert ends
    for end in ends:
        assert {"ErrorPath", "CausePath"} <= set(scope.states[end])


@pytest.mark.parametrize(
    ("scope", "name", "state"), asl.states("Fail"), ids=ids(asl.states("Fail"))
)
def test_a_failed_end_gives_its_error_and_cause(scope, name, state):
    assert {"ErrorPath", "CausePath"} <= set(state) or {"Error", "Cause"} <= set(state)


def test_every_event_is_told_in_one_place():
    """A request to send a message may come from anywhere; every fact is told once."""
    events = {
        name
        for name, node in aws_actions.load("shared.events").definitions.items()
        if isinstance(node, ast.ClassDef) and name not in ("Detail", "CommunicationRequested")
    }
    by_machines = [
        entry["DetailType"]
        for _, _, state in TASKS
        if state["Resource"] == f"{SERVICE}events:putEvents"
        for entry in state["Parameters"]["Entries"]
    ]
    by_functions = [
        part.func.id
        for module in MODULES
        for part in ast.walk(aws_actions.load(module).tree)
        if isinstance(part, ast.Call)
        and isinstance(part.func, ast.Name)
        and aws_actions.load(module).imported.get(part.func.id, ("", ""))[0] == "shared.events"
        and part.func.id in events
    ]

    assert sorted(by_machines + by_functions) == sorted(events)


def fails_reached(scope: asl.Scope, start: str) -> set[str]:
    """The Fail states to which a state leads; everything it leads to must be one in the end."""
    following = [t.target for t in scope.transitions() if t.source == start]
    if scope.states[start]["Type"] == "Fail":
        return {start}
    assert following, f"{start} ends well after a failure"
    return {end for target in following for end in fails_reached(scope, target)}


def test_errors_that_machines_name_exist_and_every_error_is_used():
    classes = set(aws_actions.load("shared.errors").definitions)
    engines = re.compile(
        r"(States|Lambda|DynamoDB|DynamoDb|EventBridge|SNS|StepFunctions|Sandbox|Runtime)\."
    )
    named = {
        error
        for _, _, state in asl.states()
        for rule in [*state.get("Catch", []), *state.get("Retry", [])]
        for error in rule["ErrorEquals"]
        if not engines.match(error)
    }

    assert named <= classes
    raised = {
        part.id
        for module in MODULES
        for part in ast.walk(aws_actions.load(module).tree)
        if isinstance(part, ast.Name)
    }
    assert classes <= raised


# --- policies


def statements(logical_id: str) -> list[dict[str, Any]]:
    policies = resource(logical_id).get("Policies", [])
    return [statement for policy in policies for statement in policy["Statement"]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(logical_id: str) -> set[str]:
    return {
        action for statement in statements(logical_id) for action in as_list(statement["Action"])
    }


NO_RESOURCE = re.compile(r"logs:.*|sns:CheckIfPhoneNumberIsOptedOut")
"""Actions that know no resource: https://docs.aws.amazon.com/service-authorization."""

NO_TOPIC = {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"}
"""Telephones have no ARN; whoever sends SMS may publish to all that is no topic."""


@pytest.mark.parametrize(
    "logical_id",
    [
        *template().of_type("AWS::Serverless::Function"),
        *template().of_type("AWS::Serverless::StateMachine"),
    ],
)
def test_no_policy_allows_more_than_named_actions_on_named_resources(logical_id):
    for statement in statements(logical_id):
        actions = as_list(statement["Action"])
        assert [action for action in actions if "*" in action] == []
        if "NotResource" in statement:
            assert (actions, statement["NotResource"]) == (["sns:Publish"], NO_TOPIC)
        elif "*" in as_list(statement["Resource"]):
            assert [action for action in actions if not NO_RESOURCE.fullmatch(action)] == []


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        ("stepfunctions().send_task_success(taskToken=token)", {"states:SendTaskSuccess"}),
        (
            "dynamodb().transact_write_items(TransactItems=[{'ConditionCheck': a}, {'Put': b}])",
            {"dynamodb:ConditionCheckItem", "dynamodb:PutItem"},
        ),
    ],
)
def test_what_code_calls_is_read_from_it(code, actions):
    assert aws_actions.aws_calls(ast.parse(code)) == actions


@pytest.mark.parametrize("module", STEPS)
def test_a_function_may_do_what_its_code_calls_and_nothing_else(module):
    logical_id = template().function_of(module)

    declared = allowed(logical_id)
    assert {a for a in declared if not a.startswith("kms:")} == aws_actions.actions_of(module)
    touches_originals = any(
        bucket in json.dumps(statements(logical_id))
        for bucket in ("RecordingsBucket", "TranscriptsBucket")
    )
    keys = {"kms:Decrypt", "kms:GenerateDataKey"} if touches_originals else set()
    assert {a for a in declared if a.startswith("kms:")} == keys


ACTIONS_OF_SERVICES = {
    "dynamodb:updateItem": {"dynamodb:UpdateItem"},
    "events:putEvents": {"events:PutEvents"},
    "sns:publish": {"sns:Publish"},
    "states:startExecution": {"states:StartExecution"},
    "states:startExecution.sync:2": {
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
        "events:PutTargets",
        "events:PutRule",
        "events:DescribeRule",
    },
}
LOG_DELIVERY = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}


def actions_of_task(state: dict[str, Any]) -> set[str]:
    """The actions that a Task needs; a transaction those of the operations in it."""
    if not state["Resource"].startswith(SERVICE):
        return {"lambda:InvokeFunction"}
    service = state["Resource"].removeprefix(SERVICE).removesuffix(".waitForTaskToken")
    if service == "aws-sdk:dynamodb:transactWriteItems":
        operations = {name for item in state["Parameters"]["TransactItems"] for name in item}
        assert operations <= set(aws_actions.TRANSACTED)
        return {f"dynamodb:{operation}Item" for operation in operations}
    return ACTIONS_OF_SERVICES[service]


def test_a_task_needs_what_its_transaction_or_its_start_does():
    transaction = {
        "Resource": "arn:aws:states:::aws-sdk:dynamodb:transactWriteItems.waitForTaskToken",
        "Parameters": {"TransactItems": [{"ConditionCheck": {}}, {"Update": {}}, {"Put": {}}]},
    }
    start = {"Resource": "arn:aws:states:::states:startExecution", "Parameters": {}}

    assert actions_of_task(transaction) == {
        "dynamodb:ConditionCheckItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    }
    assert actions_of_task(start) == {"states:StartExecution"}


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_may_do_what_its_states_do_and_nothing_else(name):
    needed = set(LOG_DELIVERY)
    for scope, _, state in TASKS:
        if scope.machine == name:
            needed |= actions_of_task(state)

    assert allowed(f"{pascal(name)}StateMachine") == needed


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_may_invoke_its_own_functions_and_no_others(name):
    logical_id = f"{pascal(name)}StateMachine"
    invoked = {
        arn["Fn::GetAtt"][0]
        for statement in statements(logical_id)
        if statement["Action"] == "lambda:InvokeFunction"
        for arn in as_list(statement["Resource"])
    }

    substitutions = resource(logical_id)["DefinitionSubstitutions"].values()
    arns = [v["Fn::GetAtt"][0] for v in substitutions if isinstance(v, dict) and "Fn::GetAtt" in v]
    assert invoked == set(arns)


@pytest.mark.parametrize("module", STEPS)
def test_a_function_gets_the_environment_that_its_code_reads(module):
    read = {
        str(part.slice.value)
        for reached in aws_actions.reachable_modules(module)
        for part in ast.walk(aws_actions.load(reached).tree)
        if isinstance(part, ast.Subscript)
        and ast.unparse(part.value) in ("environ", "os.environ")
        and isinstance(part.slice, ast.Constant)
    }

    own = resource(template().function_of(module)).get("Environment", {}).get("Variables", {})
    assert set(own) == read


@pytest.mark.parametrize("logical_id", template().of_type("AWS::Serverless::Function"))
def test_a_function_that_sends_to_its_own_queue_says_that_it_means_to(logical_id):
    queues = [
        event["Properties"]["Queue"]
        for event in resource(logical_id).get("Events", {}).values()
        if event["Type"] == "SQS"
    ]
    sends_back = any(
        statement["Action"] == "sqs:SendMessage" and statement["Resource"] in queues
        for statement in statements(logical_id)
    )

    # Otherwise Lambda's recursion detection drops a message that waits after some sixteen rounds.
    assert (resource(logical_id).get("RecursiveLoop") == "Allow") == sends_back


# --- imports


@pytest.mark.parametrize("module", MODULES)
def test_domains_never_import_each_other_and_rules_know_nothing_of_aws(module):
    imported = imports_of(module)
    package = module.split(".")[0]

    assert imported & set(DOMAINS) <= {package} - {"shared"}
    if ".rules." in module or ".audio." in module:
        known = {name for name in full_imports_of(module) if name.startswith("shared.")}
        assert known <= {
            "shared.addresses",
            "shared.errors",
            "shared.public_holidays",
            "shared.time_zones",
            "shared.times",
        }
        assert not imported & {"boto3", "botocore", "aws_lambda_powertools"}
        assert "environ" not in aws_actions.path_of(module).read_text()


def full_imports_of(module: str) -> set[str]:
    found: set[str] = set()
    for part in ast.walk(aws_actions.load(module).tree):
        if isinstance(part, ast.ImportFrom) and part.module:
            found.add(part.module)
        elif isinstance(part, ast.Import):
            found |= {alias.name for alias in part.names}
    return found


def imports_of(module: str) -> set[str]:
    return {name.split(".")[0] for name in full_imports_of(module)}


PACKAGES = {
    "aws_lambda_powertools": "aws-lambda-powertools",
    "jwt": "pyjwt",
    "vaderSentiment": "vadersentiment",
}
TYPES_ONLY = re.compile(r"mypy_boto3_")


@pytest.mark.parametrize("module", STEPS)
def test_a_function_imports_only_what_its_package_carries(module):
    unit = resource(template().function_of(module)).get("CodeUri", "functions/")
    carried = set(pins(REPOSITORY / unit / "requirements.txt"))

    for reached in aws_actions.reachable_modules(module):
        for name in imports_of(reached):
            own = name in {"shared", *DOMAINS}
            if not (own or name in sys.stdlib_module_names or TYPES_ONLY.match(name)):
                assert PACKAGES.get(name, name) in carried, f"{reached} imports {name}"


def pins(lock: Path) -> dict[str, str]:
    """Package -> version of a lock file."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    "lock",
    [
        "functions/requirements.txt",
        "packages/audio/requirements.txt",
        "requirements/lambda-runtime.txt",
    ],
)
def test_what_is_deployed_is_what_is_tested(lock):
    tested = pins(REPOSITORY / "requirements" / "project.txt")

    carried = pins(REPOSITORY / lock)
    assert carried
    assert {name: tested.get(name) for name in carried} == carried


def test_the_audio_package_is_the_same_source():
    links = {path.name: path for path in (REPOSITORY / "packages" / "audio").iterdir()}

    assert links.pop("requirements.txt").is_file()
    assert "shared" in links
    for name, link in links.items():
        assert link.is_symlink()
        assert link.resolve() == FUNCTIONS / name


# --- documents


def test_the_readme_lists_the_machines():
    readme = (REPOSITORY / "README.md").read_text()
    table = readme.split("| machine ", 1)[1].split("\n\n", 1)[0]

    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(MACHINES)


def test_the_architecture_page_lists_the_modules_of_the_emulators_plugins():
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    table = page.split("| module | does |", 1)[1].split("\n\n", 1)[0]
    folder = REPOSITORY / "local" / "emulator" / "aftercall_emulator"

    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(path.stem for path in folder.glob("[!_]*.py"))


def test_errors_in_the_runbook_exist():
    runbook = (REPOSITORY / "docs" / "runbook.md").read_text()
    classes = set(aws_actions.load("shared.errors").definitions)

    named = set(re.findall(r"\b(Recording[A-Z]\w+|SpeechEngine[A-Z]\w+|ClaimLost)\b", runbook))
    assert named <= classes | set(template().parameters) | {"SpeechEngineUnknown"}
