"""What a person on call sees of a step, and what nobody may see."""

import json

import pytest

EVENT = {"call_id": "c1", "words": "Peter Miller said", "recording": {"key": "Miller.wav"}}


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_gives_what_the_handler_gives(observability, context):
    handler = observability.step(lambda event, context: {"given": event["call_id"]})

    assert handler(EVENT, context) == {"given": "c1"}


def test_raises_the_very_error_of_the_handler(observability, context):
    error = LookupError("any")

    @observability.step
    def handler(event, context):
        raise error

    with pytest.raises(LookupError) as raised:
        handler(EVENT, context)

    assert raised.value is error


def test_logs_a_failure_by_its_class_and_counts_it(observability, context, capsys):
    @observability.step
    def handler(event, context):
        raise LookupError("Peter Miller")

    with pytest.raises(LookupError):
        handler(EVENT, context)

    logged, counted = lines(capsys)
    assert (logged["message"], logged["error"], logged["level"]) == (
        "step failed",
        "LookupError",
        "WARNING",
    )
    assert logged["call_id"] == "c1"
    assert logged["correlation_id"] == context.aws_request_id
    assert counted["StepFailed"] == [1.0]
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Aftercall"


def test_counts_every_success_so_that_no_run_is_without_a_metric(observability, context, capsys):
    observability.step(lambda event, context: None)(EVENT, context)

    [counted] = lines(capsys)
    assert counted["StepSucceeded"] == [1.0]
    assert "StepFailed" not in counted


def test_counts_no_success_of_a_step_that_failed(observability, context, capsys):
    @observability.step
    def handler(event, context):
        raise LookupError

    with pytest.raises(LookupError):
        handler(EVENT, context)

    assert "StepSucceeded" not in lines(capsys)[-1]


def test_counts_each_run_by_itself(observability, context, capsys):
    handler = observability.step(lambda event, context: observability.count("Any"))

    handler(EVENT, context)
    handler(EVENT, context)

    assert [(run["Any"], run["StepSucceeded"]) for run in lines(capsys)] == [([1.0], [1.0])] * 2


def test_logs_no_content_of_the_event(observability, context, capsys):
    @observability.step
    def handler(event, context):
        observability.logger.info("any message")
        return event

    handler(EVENT, context)

    out = capsys.readouterr().out
    assert "any message" in out
    assert "Miller" not in out


def test_logs_no_content_of_an_error(observability, context, capsys):
    @observability.step
    def handler(event, context):
        raise ValueError("Peter Miller")

    with pytest.raises(ValueError, match="Miller"):
        handler(EVENT, context)

    assert "Miller" not in capsys.readouterr().out


def test_every_line_has_the_ids_of_its_own_event(observability, context, capsys):
    @observability.step
    def handler(event, context):
        observability.logger.info("any message")

    handler({"call_id": "c1", "customer_id": 7}, context)
    handler({"ticket_id": "t1"}, context)

    first, _, second, _ = lines(capsys)
    assert (first["call_id"], first["customer_id"]) == ("c1", "7")
    assert second["ticket_id"] == "t1"
    assert "call_id" not in second


def test_forgets_the_ids_after_a_failure(observability, context, capsys):
    @observability.step
    def handler(event, context):
        observability.logger.info("any message")
        if event:
            raise LookupError

    with pytest.raises(LookupError):
        handler({"call_id": "c1"}, context)
    handler({}, context)

    last = [line for line in lines(capsys) if line.get("message") == "any message"][-1]
    assert "call_id" not in last


@pytest.mark.parametrize("event", [None, [], "text", 3])
def test_takes_an_event_without_ids(observability, context, event):
    assert observability.step(lambda given, context: given)(event, context) == event


def test_an_item_of_a_batch_fails_with_its_own_error(observability, context, capsys):
    error = LookupError("Peter Miller")

    @observability.batch_item
    def handle(record):
        raise error

    @observability.step
    def handler(event, context):
        with pytest.raises(LookupError) as raised:
            handle("any record")
        assert raised.value is error

    handler(EVENT, context)

    logged, counted = lines(capsys)
    assert (logged["message"], logged["error"]) == ("batch item failed", "LookupError")
    assert counted["BatchItemFailed"] == [1.0]
    assert "Miller" not in str(logged)


def test_figures_of_the_moment_are_metrics_of_their_own_dimension(observability, context, capsys):
    @observability.step
    def handler(event, context):
        observability.count("Any")
        observability.measure({"Provider": "webdav"}, Workers=3, CallsLeft=0)
        observability.measure({"Provider": "s3"}, Workers=5)

    handler(EVENT, context)

    first, second, counted = lines(capsys)
    assert (first["Provider"], first["Workers"], first["CallsLeft"]) == ("webdav", [3.0], [0.0])
    assert (second["Provider"], second["Workers"]) == ("s3", [5.0])
    assert "CallsLeft" not in second
    [described] = first["_aws"]["CloudWatchMetrics"]
    assert "Provider" in described["Dimensions"][0]
    assert described["Namespace"] == counted["_aws"]["CloudWatchMetrics"][0]["Namespace"]
    # What a step counts stays without them.
    assert "Provider" not in counted
    assert (counted["Any"], counted["StepSucceeded"]) == ([1.0], [1.0])
    assert "Workers" not in counted
