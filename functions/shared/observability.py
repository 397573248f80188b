"""What a person on call sees of a step: one decorator, `@step`.

Each log line carries the business ids of the step's event; a failure is counted, logged by its
class and raised unchanged, because Step Functions matches the class by name. Nothing here logs an
event, an environment or an object's key: they can hold a customer's words or name.
"""

import logging
from collections.abc import Callable
from functools import wraps

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

for noisy in ("aws_xray_sdk", "botocore"):
    logging.getLogger(noisy).setLevel(logging.WARNING)

logger = Logger()
tracer = Tracer(patch_modules=("botocore",))
metrics = Metrics()

_BUSINESS_IDS = (
    "call_id",
    "communication_id",
    "customer_id",
    "replication_id",
    "run_id",
    "ticket_id",
    "trace_id",
)

type Handler[Event, Result] = Callable[[Event, LambdaContext], Result]


def step[Event, Result](handler: Handler[Event, Result]) -> Handler[Event, Result]:
    """Give a handler its log context, trace segment and metrics."""

    @wraps(handler)
    def observed(event: Event, context: LambdaContext) -> Result:
        logger.set_correlation_id(context.aws_request_id)
        logger.append_keys(**business_ids(event))
        try:
            result = handler(event, context)
            metrics.add_metric(name="StepSucceeded", unit=MetricUnit.Count, value=1)
            return result
        except Exception as error:
            metrics.add_metric(name="StepFailed", unit=MetricUnit.Count, value=1)
            metrics.add_metadata(key="error", value=type(error).__name__)
            logger.warning("step failed", error=type(error).__name__)
            raise
        finally:
            logger.remove_keys(list(_BUSINESS_IDS))

    traced: Handler[Event, Result] = tracer.capture_lambda_handler(
        observed, capture_response=False, capture_error=False
    )
    measured: Handler[Event, Result] = metrics.log_metrics(traced)
    return measured


def business_ids(event: object) -> dict[str, str]:
    """What of an event, or of a route's parameters, each log line shall carry."""
    if not isinstance(event, dict):
        return {}
    return {name: str(event[name]) for name in _BUSINESS_IDS if event.get(name) is not None}


def batch_item[**Given](handle: Callable[Given, None]) -> Callable[Given, None]:
    """Count and log one item of a batch that fails: the batch processor tells only the queue."""

    @wraps(handle)
    def observed(*args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            handle(*args, **kwargs)
        except Exception as error:
            metrics.add_metric(name="BatchItemFailed", unit=MetricUnit.Count, value=1)
            logger.warning("batch item failed", error=type(error).__name__)
            raise

    return observed


def count(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add a business metric to the running step."""
    metrics.add_metric(name=name, unit=unit, value=value)


def measure(dimensions: dict[str, str], **values: float) -> None:
    """Publish figures of the moment, such as of one provider: a set of metrics of their own."""
    ephemeral = EphemeralMetrics()
    for dimension, which in dimensions.items():
        ephemeral.add_dimension(name=dimension, value=which)
    for name, value in values.items():
        ephemeral.add_metric(name=name, unit=MetricUnit.Count, value=value)
    ephemeral.flush_metrics()


__all__ = ["batch_item", "business_ids", "count", "logger", "measure", "step"]
