"""Functions as real processes: what they return, how they fail, what they leave behind."""

import json
import os
import signal
import threading
import uuid
from pathlib import Path

import pytest
from aftercall_emulator.lambda_executor import refuse_unsupported
from aftercall_emulator.runtime_api import RuntimeApi
from localstack.aws.api.lambda_ import PackageType, ServiceException, TooManyRequestsException
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException

from tests.emulator.support import any_function, eventually, lives

WHO_AM_I = """
    import os
    def handler(event, context):
        return os.getpid()
"""


def request_for(event: object = None, request_id: str | None = None) -> dict[str, str]:
    return {
        "invoke-id": request_id or str(uuid.uuid4()),
        "invoked-function-arn": "arn:aws:lambda:us-east-1:000000000000:function:any-function",
        "payload": json.dumps(event),
        "trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    }


def invoke(executor, event=None, request_id=None):
    result = executor.invoke(request_for(event, request_id))
    return json.loads(result.payload), result


def test_returns_what_the_handler_returns_and_gives_it_the_context_of_lambda(any_executor):
    executor = any_executor("""
        import os
        def handler(event, context):
            return {
                "event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn,
                "left": context.get_remaining_time_in_millis(),
                "trace": os.environ["_X_AMZN_TRACE_ID"],
            }
    """)

    answer, result = invoke(executor, {"n": 1}, "id-1")

    assert not result.is_error
    assert answer["event"] == {"n": 1}
    assert answer["id"] == result.request_id == "id-1"
    assert answer["arn"].endswith(":function:any-function")
    assert 0 < answer["left"] <= 10_000
    assert answer["trace"].startswith("Root=1-5759e988")


def test_carries_five_megabytes_and_every_alphabet_there_and_back(any_executor):
    executor = any_executor("def handler(event, context):\n    print(event[:8])\n    return event")
    event = "Grüße €Ω 😀" + "x" * 5_000_000

    answer, result = invoke(executor, event)

    assert answer == event
    assert "Grüße €Ω\n" in result.logs


def test_refuses_a_response_beyond_the_limit_of_lambda(any_executor):
    executor = any_executor("def handler(event, context):\n    return 'x' * 7_000_000")

    answer, result = invoke(executor)

    assert result.is_error
    assert answer["errorType"] == "Function.ResponseSizeTooLarge"


def test_reports_an_exception_with_its_type_message_and_stack_trace(any_executor):
    executor = any_executor("""
        class TransientError(Exception): pass
        def handler(event, context):
            raise TransientError("provider-busy: later")
    """)

    answer, result = invoke(executor)

    assert result.is_error
    assert answer["errorType"] == "TransientError"
    assert answer["errorMessage"] == "provider-busy: later"
    assert "in handler" in answer["stackTrace"][0]
    assert "[ERROR] TransientError: provider-busy: later\rTraceback" in result.logs


def test_reports_a_handler_that_cannot_be_imported_and_tries_again_next_time(any_executor):
    executor = any_executor("import not_packaged\ndef handler(event, context): pass")

    for _ in range(2):
        answer, result = invoke(executor)
        assert result.is_error
        assert answer["errorType"] == "Runtime.ImportModuleError"
        assert "No module named 'not_packaged'" in answer["errorMessage"]
        assert "INIT_START" in result.logs


def test_offers_a_function_nothing_beyond_the_runtime(any_executor):
    executor = any_executor("import localstack\ndef handler(event, context): pass")

    answer, _ = invoke(executor)

    assert answer["errorType"] == "Runtime.ImportModuleError"


def test_a_timeout_answers_as_lambda_does_and_kills_the_grandchildren_too(any_executor, tmp_path):
    executor = any_executor(
        f"""
        import os, subprocess, time
        def handler(event, context):
            child = subprocess.Popen(["sleep", "300"])
            open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
            print("working")
            time.sleep(300)
        """,
        timeout=1,
    )

    answer, result = invoke(executor, request_id="id-1")

    assert result.is_error
    assert answer == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: id-1 Error: Task timed out after 1.00 seconds",
    }
    assert "id-1 Task timed out after 1.00 seconds\nEND RequestId: id-1\n" in result.logs
    assert "Status: timeout" in result.logs
    for pid in (tmp_path / "pids").read_text().split():
        eventually(lambda pid=int(pid): not lives(pid), f"death of process {pid}")


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
    ],
)
def test_reports_a_process_that_dies_and_serves_the_next_from_a_new_one(
    any_executor, death, reason
):
    executor = any_executor(f"""
        import os
        def handler(event, context):
            if event == "die":
                print("last words")
                {death}
            return os.getpid()
    """)
    before, _ = invoke(executor)

    answer, result = invoke(executor, "die", "id-1")
    after, _ = invoke(executor)

    assert result.is_error
    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"] == f"RequestId: id-1 Error: {reason}"
    assert "last words\n" in result.logs
    assert after != before


def test_a_process_that_dies_while_idle_is_replaced_unnoticed(any_executor):
    executor = any_executor(WHO_AM_I)
    first, _ = invoke(executor)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{first}"), "reaping")

    second, result = invoke(executor)

    assert not result.is_error
    assert second != first


def test_a_function_sees_what_lambda_sets_and_nothing_of_the_host(any_executor, monkeypatch):
    monkeypatch.setenv("HOST_SECRET", "secret")
    monkeypatch.setenv("AWS_PROFILE", "production")
    executor = any_executor(
        "import os\ndef handler(event, context): return {**os.environ, 'cwd': os.getcwd()}",
        env_vars={
            "AWS_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 256,
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            "LOCALSTACK_RUNTIME_ID": "x",
            "LOCALSTACK_HOSTNAME": "x",
            "EDGE_PORT": "4566",
        },
        environment={"CALLS_TABLE_NAME": "calls"},
    )

    seen, _ = invoke(executor)

    added_by_python = {"LC_CTYPE"}
    assert set(seen) - added_by_python == {
        "AWS_ENDPOINT_URL",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "CALLS_TABLE_NAME",
        "HOME",
        "LAMBDA_TASK_ROOT",
        "LANG",
        "PATH",
        "TMPDIR",
        "_X_AMZN_TRACE_ID",
        "cwd",
    }
    assert seen["LAMBDA_TASK_ROOT"] == seen["cwd"]
    assert seen["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"


def test_an_endpoint_that_the_template_leaves_empty_is_still_the_emulator(any_executor):
    executor = any_executor(
        "import os\ndef handler(event, context):\n    return os.environ['AWS_ENDPOINT_URL']",
        environment={"AWS_ENDPOINT_URL": ""},
    )

    assert invoke(executor)[0].startswith("http://127.0.0.1:")


def test_temporary_files_last_as_long_as_the_environment(any_executor):
    executor = any_executor("""
        import pathlib, tempfile
        def handler(event, context):
            mark = pathlib.Path(tempfile.gettempdir()) / "mark"
            known = mark.exists()
            mark.touch()
            return [known, str(mark)]
    """)
    first, _ = invoke(executor)
    second, _ = invoke(executor)
    executor.stop()

    assert [first[0], second[0]] == [False, True]
    assert not Path(first[1]).parent.parent.exists()


def test_stays_warm_and_says_so(any_executor):
    executor = any_executor(WHO_AM_I)

    first, cold = invoke(executor)
    second, warm = invoke(executor)

    assert first == second
    assert "Init Duration" in cold.logs
    assert "Init Duration" not in warm.logs
    assert "INIT_START" not in warm.logs


def test_logs_belong_to_their_invocation_line_by_line(any_executor):
    executor = any_executor("""
        import logging, sys
        print("loading")
        logging.getLogger().setLevel("INFO")
        def handler(event, context):
            logging.info("first line\\nsecond line of %s", event)
            print("to stderr", file=sys.stderr)
            sys.stdout.write("no line break")
    """)

    _, first = invoke(executor, "one", "id-1")
    _, second = invoke(executor, "two", "id-2")

    lines = first.logs.splitlines()
    assert lines[:3] == [
        "INIT_START Runtime Version: python3.13",
        "loading",
        "START RequestId: id-1 Version: $LATEST",
    ]
    assert lines[3].startswith("[INFO]\t")
    assert lines[3].endswith("\tid-1\tfirst line")
    assert lines[4:8] == ["second line of one", "to stderr", "no line break", "END RequestId: id-1"]
    assert lines[8:] == lines[-1:]
    assert lines[-1].startswith("REPORT RequestId: id-1\tDuration: ")
    assert "\tMemory Size: 256 MB\tMax Memory Used: " in lines[-1]
    assert "Max Memory Used: 0 MB" not in lines[-1]
    assert "id-1" not in second.logs
    assert "second line of two" in second.logs


def test_at_the_bound_the_least_recently_used_idle_process_makes_room(any_executor):
    first, second, third = (any_executor(WHO_AM_I) for _ in range(3))
    first_pid, second_pid = invoke(first)[0], invoke(second)[0]
    assert invoke(first)[0] == first_pid

    invoke(third)

    eventually(lambda: not lives(second_pid), "eviction")
    assert lives(first_pid)
    assert invoke(second)[1].is_error is False
    assert not lives(first_pid)


def test_at_the_bound_with_all_busy_the_answer_is_a_throttle(any_executor, tmp_path):
    waits = f"""
        import pathlib, time
        def handler(event, context):
            pathlib.Path({str(tmp_path)!r}, event).touch()
            while not pathlib.Path({str(tmp_path)!r}, "go").exists():
                time.sleep(0.01)
    """
    busy = [any_executor(waits), any_executor(waits)]
    threads = [
        threading.Thread(target=invoke, args=(executor, f"busy{number}"))
        for number, executor in enumerate(busy)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(list(tmp_path.glob("busy*"))) == 2, "two busy functions")

    with pytest.raises(TooManyRequestsException):
        invoke(any_executor(WHO_AM_I))

    (tmp_path / "go").touch()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_stopping_an_environment_ends_its_invocation_with_a_service_exception(
    any_executor, tmp_path
):
    executor = any_executor(f"""
        import pathlib, time
        def handler(event, context):
            pathlib.Path({str(tmp_path)!r}, "started").touch()
            time.sleep(300)
    """)
    raised: list[BaseException] = []

    def run() -> None:
        with pytest.raises(ServiceException) as caught:
            invoke(executor)
        raised.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    eventually((tmp_path / "started").exists, "the start of the function")
    executor.stop()
    thread.join(20)

    assert raised


def test_dead_processes_leave_no_file_open(any_executor):
    executor = any_executor("import os\nos._exit(1)")
    invoke(executor)
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(5):
        invoke(executor)

    eventually(lambda: len(os.listdir("/proc/self/fd")) <= before, "closing of files")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"package_type": PackageType.Image}, "PackageType Image"),
        ({"layers": ["a layer"]}, "layers"),
        ({"runtime": "nodejs22.x"}, "its runtime is nodejs22.x"),
    ],
)
def test_refuses_what_it_cannot_run(config, reason, tmp_path, lambda_settings):
    with pytest.raises(LambdaRuntimeException, match=reason):
        refuse_unsupported(any_function(tmp_path, **config), lambda_settings)


def test_a_closed_runtime_api_leaves_no_thread_and_no_port(any_executor):
    before = threading.active_count()
    api = RuntimeApi()
    api.close()

    eventually(lambda: threading.active_count() <= before, "the end of the thread")
