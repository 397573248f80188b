"""The plugins inside a real emulator, over HTTP."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.emulator.running import (
    MAX_PROCESSES,
    Emulator,
    environment_for,
    free_port,
    running_emulator,
)
from tests.emulator.support import eventually, lives

ROLE = "arn:aws:iam::000000000000:role/any"


@pytest.fixture
def any_table(emulator, request) -> str:
    """A table with a string key named id."""
    name = f"table-{abs(hash(request.node.name))}"
    emulator.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture
def deployed(emulator) -> Iterator[Callable[..., str]]:
    """Deploys the source of app.py as a function; removes it at the end."""
    client = emulator.client("lambda")
    names: list[str] = []

    def deploy(name: str, source: str, **config) -> str:
        client.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": zipped(source)},
            **config,
        )
        names.append(name)
        client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        return name

    yield deploy
    for name in names:
        client.delete_function(FunctionName=name)


def zipped(source: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", source)
    return archive.getvalue()


def invoked(client, name: str, event: object = None) -> tuple[object, dict]:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    return json.load(answer["Payload"]), answer


def listening_addresses(pid: int) -> set[str]:
    """Hex addresses of the process's listening TCP sockets, IPv4 and IPv6."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def test_listens_on_the_loopback_interface_only(emulator):
    addresses = listening_addresses(emulator.process.pid)

    assert f"0100007F:{emulator.port:04X}" in addresses
    assert {address.split(":")[0] for address in addresses} == {"0100007F"}


def test_does_not_start_on_a_port_that_is_taken(emulator, tmp_path, lambda_settings):
    environment = environment_for(emulator.port, tmp_path, lambda_settings.python)

    second = subprocess.run(
        [sys.executable, "-m", "localstack.runtime.main"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert second.returncode != 0
    assert "Address already in use" in second.stdout + second.stderr
    assert "Ready." not in second.stdout


def test_does_not_start_without_an_interpreter_for_lambdas(tmp_path, lambda_settings):
    environment = environment_for(free_port(), tmp_path, lambda_settings.python)
    del environment["AFTERCALL_LAMBDA_PYTHON"]

    started = subprocess.run(
        [sys.executable, "-m", "localstack.runtime.main"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert started.returncode != 0
    assert "AFTERCALL_LAMBDA_PYTHON is not set" in started.stdout


def test_a_contended_counter_loses_no_update(emulator, any_table):
    client = emulator.client("dynamodb")
    key = {"id": {"S": "counter"}}
    # moto copies an item between condition and write: a big one makes the race easy to lose.
    ballast = {"L": [{"N": str(number)} for number in range(1000)]}
    client.put_item(TableName=any_table, Item={**key, "n": {"N": "0"}, "ballast": ballast})

    def count() -> str:
        item = client.get_item(TableName=any_table, Key=key, ProjectionExpression="n")["Item"]
        return item["n"]["N"]

    def increment(_: int) -> None:
        while True:
            n = count()
            try:
                client.update_item(
                    TableName=any_table,
                    Key=key,
                    UpdateExpression="SET n = :next",
                    ConditionExpression="n = :seen",
                    ExpressionAttributeValues={
                        ":seen": {"N": n},
                        ":next": {"N": str(int(n) + 1)},
                    },
                )
            except client.exceptions.ConditionalCheckFailedException:
                continue
            return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(increment, range(80), timeout=180))

    assert count() == "80"


def test_contended_transfers_keep_the_sum_and_no_reader_sees_half_of_one(emulator, any_table):
    client = emulator.client("dynamodb")
    accounts = [f"account{number}" for number in range(4)]
    for account in accounts:
        client.put_item(TableName=any_table, Item={"id": {"S": account}, "n": {"N": "25"}})
    finished = threading.Event()
    refused: list[int] = []
    sums: set[int] = set()

    def transfer(number: int) -> None:
        sender, receiver = accounts[number % 4], accounts[(number + 1 + number // 4 % 3) % 4]
        try:
            client.transact_write_items(
                TransactItems=[
                    {
                        "Update": {
                            "TableName": any_table,
                            "Key": {"id": {"S": receiver}},
                            "UpdateExpression": "SET n = n + :amount",
                            "ExpressionAttributeValues": {":amount": {"N": "20"}},
                        }
                    },
                    {
                        "Update": {
                            "TableName": any_table,
                            "Key": {"id": {"S": sender}},
                            "UpdateExpression": "SET n = n - :amount",
                            "ConditionExpression": "n >= :amount",
                            "ExpressionAttributeValues": {":amount": {"N": "20"}},
                        }
                    },
                ]
            )
        except client.exceptions.TransactionCanceledException as error:
            reasons = [reason["Code"] for reason in error.response["CancellationReasons"]]
            assert reasons == ["None", "ConditionalCheckFailed"]
            refused.append(number)

    def read() -> None:
        while not finished.is_set():
            items = client.scan(TableName=any_table)["Items"]
            sums.add(sum(int(item["n"]["N"]) for item in items))

    with ThreadPoolExecutor(10) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            list(threads.map(transfer, range(120), timeout=180))
        finally:
            finished.set()
        for reader in readers:
            reader.result(10)

    assert sums == {100}
    assert refused


@pytest.mark.parametrize("range_key", [None, "at"])
def test_a_failed_transaction_undoes_every_kind_of_write(emulator, range_key):
    client = emulator.client("dynamodb")
    table = f"undone-{range_key}"
    names = [name for name in ("id", range_key) if name]
    client.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[
            {"AttributeName": name, "KeyType": kind}
            for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    keys = {name: {key: {"S": name} for key in names} for name in ("old", "gone", "held", "new")}
    for name in ("old", "gone", "held"):
        client.put_item(TableName=table, Item={**keys[name], "n": {"N": "1"}})

    def write(amount: str, held: str) -> None:
        values = {":amount": {"N": amount}}
        change = {"UpdateExpression": "SET n = :amount", "ExpressionAttributeValues": values}
        check = {
            "ConditionExpression": "n = :held",
            "ExpressionAttributeValues": {":held": {"N": held}},
        }
        client.transact_write_items(
            TransactItems=[
                {"Update": {"TableName": table, "Key": keys["old"], **change}},
                {"Delete": {"TableName": table, "Key": keys["gone"]}},
                {"Put": {"TableName": table, "Item": keys["new"]}},
                {"ConditionCheck": {"TableName": table, "Key": keys["held"], **check}},
            ]
        )

    def rows() -> dict[str, str | None]:
        items = client.scan(TableName=table)["Items"]
        return {item["id"]["S"]: item.get("n", {}).get("N") for item in items}

    with pytest.raises(client.exceptions.TransactionCanceledException):
        write("2", held="9")
    assert rows() == {"old": "1", "gone": "1", "held": "1"}

    write("3", held="1")
    assert rows() == {"old": "3", "held": "1", "new": None}


def test_cloudformation_makes_and_removes_a_table_with_an_index_and_expiry(emulator):
    formation, tables = emulator.client("cloudformation"), emulator.client("dynamodb")
    template = {
        "Resources": {
            "CallsTable": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [
                        {"AttributeName": "id", "AttributeType": "S"},
                        {"AttributeName": "state", "AttributeType": "S"},
                    ],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "by-state",
                            "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                    "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                },
            }
        },
        "Outputs": {"Table": {"Value": {"Ref": "CallsTable"}}},
    }
    formation.create_stack(StackName="tables", TemplateBody=json.dumps(template))
    waiting = {"Delay": 1, "MaxAttempts": 60}
    formation.get_waiter("stack_create_complete").wait(StackName="tables", WaiterConfig=waiting)
    table = formation.describe_stacks(StackName="tables")["Stacks"][0]["Outputs"][0]["OutputValue"]

    tables.put_item(TableName=table, Item={"id": {"S": "1"}, "state": {"S": "open"}})
    found = tables.query(
        TableName=table,
        IndexName="by-state",
        KeyConditionExpression="#s = :s",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": "open"}},
    )
    expiry = tables.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    formation.delete_stack(StackName="tables")
    formation.get_waiter("stack_delete_complete").wait(StackName="tables", WaiterConfig=waiting)

    assert found["Count"] == 1
    assert expiry == {"AttributeName": "expires", "TimeToLiveStatus": "ENABLED"}
    assert table not in tables.list_tables()["TableNames"]


def test_a_function_reaches_the_emulator_and_its_log_reaches_cloudwatch(
    emulator, deployed, any_table
):
    name = deployed(
        "reader",
        """
import os
def handler(event, context):
    print("reading", event["table"])
    return {"endpoint": os.environ["AWS_ENDPOINT_URL"], "task": os.environ["LAMBDA_TASK_ROOT"]}
""",
    )

    answer, response = invoked(emulator.client("lambda"), name, {"table": any_table})

    assert "FunctionError" not in response
    assert answer["endpoint"] == emulator.url
    tail = base64.b64decode(response["LogResult"]).decode()
    assert f"reading {any_table}\n" in tail
    logs = emulator.client("logs")

    def messages() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"].strip() for event in events]

    eventually(lambda: f"reading {any_table}" in messages(), "the log line in CloudWatch")
    assert [line.split()[0] for line in messages()] == [
        "INIT_START",
        "START",
        "reading",
        "END",
        "REPORT",
    ]


def test_a_function_that_cannot_run_here_is_refused_with_the_reason(emulator):
    client = emulator.client("lambda")
    client.create_function(
        FunctionName="other-runtime",
        Runtime="nodejs22.x",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": zipped("")},
    )

    def configuration() -> dict:
        return client.get_function_configuration(FunctionName="other-runtime")

    eventually(lambda: configuration()["State"] == "Failed", "refusal")
    assert "its runtime is nodejs22.x, here is python3.13" in configuration()["StateReason"]


WAITS_FOR_A_FILE = """
import pathlib, time
def handler(event, context):
    folder = pathlib.Path({folder!r})
    (folder / context.aws_request_id).touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return "went"
"""


@contextmanager
def all_places_taken(emulator: Emulator, name: str, folder: Path) -> Iterator[None]:
    """As many running invocations of the function as there may be."""
    client = emulator.client("lambda")
    with ThreadPoolExecutor(MAX_PROCESSES) as threads:
        running = [threads.submit(invoked, client, name) for _ in range(MAX_PROCESSES)]
        try:
            eventually(lambda: len(list(folder.iterdir())) == MAX_PROCESSES, "a full house")
            yield
        finally:
            (folder / "go").touch()
        assert [future.result(30)[0] for future in running] == ["went"] * MAX_PROCESSES


@pytest.mark.parametrize("by", ["arn", "integration"])
def test_one_invocation_too_many_is_throttled_for_a_caller_and_a_state_machine(
    by, emulator, deployed, tmp_path
):
    (tmp_path / "waiting").mkdir()
    source = WAITS_FOR_A_FILE.format(folder=str(tmp_path / "waiting"))
    waiting = deployed(f"waiting-{by}", source, Timeout=60)
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{waiting}"
    resources = {
        "arn": {"Resource": arn},
        "integration": {
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": arn},
        },
    }
    machines = emulator.client("stepfunctions")
    machine = machines.create_state_machine(
        name=f"throttled-{by}",
        roleArn=ROLE,
        definition=json.dumps(
            {
                "StartAt": "Invoke",
                "States": {
                    "Invoke": {
                        "Type": "Task",
                        **resources[by],
                        "Catch": [
                            {
                                "ErrorEquals": ["Lambda.TooManyRequestsException"],
                                "Next": "Throttled",
                            }
                        ],
                        "End": True,
                    },
                    "Throttled": {"Type": "Pass", "Result": "throttled", "End": True},
                },
            }
        ),
    )["stateMachineArn"]

    with all_places_taken(emulator, waiting, tmp_path / "waiting"):
        with pytest.raises(ClientError, match="TooManyRequestsException"):
            invoked(emulator.client("lambda"), waiting)
        execution = machines.start_execution(stateMachineArn=machine)["executionArn"]
        eventually(lambda: described(machines, execution)["status"] != "RUNNING", "the execution")

    assert described(machines, execution)["output"] == '"throttled"'


@pytest.mark.parametrize("error", ["TransientError", "Sandbox.Timedout", "Runtime.ExitError"])
def test_a_state_machine_meets_what_goes_wrong_in_a_function_by_its_name(error, emulator, deployed):
    code = {
        "TransientError": "raise TransientError('busy')",
        "Sandbox.Timedout": "time.sleep(60)",
        "Runtime.ExitError": "os._exit(1)",
    }[error]
    source = f"""
import os, time
class TransientError(Exception): pass
def handler(event, context): {code}
"""
    failing = deployed(error.replace(".", "-"), source, Timeout=1)
    machines = emulator.client("stepfunctions")
    machine = machines.create_state_machine(
        name=f"meets-{failing}",
        roleArn=ROLE,
        definition=json.dumps(
            {
                "StartAt": "Invoke",
                "States": {
                    "Invoke": {
                        "Type": "Task",
                        "Resource": f"arn:aws:lambda:us-east-1:000000000000:function:{failing}",
                        "Catch": [{"ErrorEquals": [error], "Next": "Met"}],
                        "End": True,
                    },
                    "Met": {"Type": "Pass", "End": True},
                },
            }
        ),
    )["stateMachineArn"]

    execution = machines.start_execution(stateMachineArn=machine)["executionArn"]
    eventually(lambda: described(machines, execution)["status"] != "RUNNING", "the execution")

    met = json.loads(described(machines, execution)["output"])
    assert met["Error"] == error
    assert json.loads(met["Cause"])["errorType"] == error


def described(machines, execution: str) -> dict:
    return machines.describe_execution(executionArn=execution)


def test_a_throttled_batch_of_a_queue_is_tried_again_soon_and_counts_as_one_delivery(
    emulator, deployed, tmp_path
):
    for folder in ("waiting", "received"):
        (tmp_path / folder).mkdir()
    waiting = deployed(
        "filling", WAITS_FOR_A_FILE.format(folder=str(tmp_path / "waiting")), Timeout=60
    )
    receiver = deployed(
        "receiver",
        f"""
import pathlib
def handler(event, context):
    for record in event["Records"]:
        count = record["attributes"]["ApproximateReceiveCount"]
        (pathlib.Path({str(tmp_path / "received")!r}) / record["body"]).write_text(count)
""",
    )
    queues = emulator.client("sqs")
    queue = queues.create_queue(QueueName="batches", Attributes={"VisibilityTimeout": "300"})
    url = queue["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:batches"
    mapping = emulator.client("lambda").create_event_source_mapping(
        EventSourceArn=arn, FunctionName=receiver, BatchSize=1
    )

    with all_places_taken(emulator, waiting, tmp_path / "waiting"):
        queues.send_message(QueueUrl=url, MessageBody="letter")
        eventually(lambda: in_flight(queues, url) == "1", "a throttled delivery")
        assert not (tmp_path / "received" / "letter").exists()

    letter = tmp_path / "received" / "letter"
    eventually(lambda: letter.exists() and letter.read_text(), "delivery")
    assert letter.read_text() == "1"
    emulator.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])


def in_flight(queues, url: str) -> str:
    name = "ApproximateNumberOfMessagesNotVisible"
    return queues.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]


def test_more_functions_than_processes_take_turns(emulator, deployed):
    source = "import os\ndef handler(event, context): return os.getpid()"
    names = [deployed(f"turn-{number}", source) for number in range(MAX_PROCESSES + 2)]
    client = emulator.client("lambda")

    pids = [invoked(client, name)[0] for _ in range(2) for name in names]

    assert len(set(pids)) == 2 * len(names)
    eventually(lambda: sum(lives(pid) for pid in pids) <= MAX_PROCESSES, "eviction")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_emulator_leaves_no_process(how, tmp_path, lambda_settings):
    with running_emulator(tmp_path, lambda_settings.python) as emulator:
        client = emulator.client("lambda")
        client.create_function(
            FunctionName="parent",
            Runtime="python3.13",
            Handler="app.handler",
            Role=ROLE,
            Timeout=60,
            Code={
                "ZipFile": zipped("""
import os, subprocess
CHILD = subprocess.Popen(["sleep", "300"])
def handler(event, context): return [os.getpid(), CHILD.pid]
""")
            },
        )
        client.get_waiter("function_active_v2").wait(
            FunctionName="parent", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        pids, _ = invoked(client, "parent")
        children = descendants(emulator.process.pid) | set(pids)
        assert len(children) > len(pids)

        emulator.process.send_signal(how)
        for pid in pids:
            eventually(lambda pid=pid: not lives(pid), f"death of process {pid}")
        # Terminated while a service was still loading, LocalStack can wait for itself forever.
        emulator.process.kill()

    for pid in children:
        eventually(lambda pid=pid: not lives(pid), f"death of process {pid}")


def descendants(pid: int) -> set[int]:
    """All processes below one."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= {int(child)} | descendants(int(child))
    return found
