"""See what has come of a batch: sent, failed again, or still being tried.

Once all is settled, or patience is over, the outcome is stored with the run and put into words for
whoever gets the report.
"""

from datetime import timedelta
from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from communications.communications_table import get_many
from communications.redrives_table import end_run_of_ended_batches, update_batch
from communications.rules.redrive_outcomes import (
    Retry,
    is_healed,
    is_settled,
    report_of,
    text_of,
)
from shared.observability import count, logger, step
from shared.times import format_time, now, parse_time


class Input(TypedDict):
    """`started_at` is when the execution began, `patience_seconds` how long it waits at most."""

    run_id: str
    batch: int
    retries: list[Retry]
    started_at: str
    patience_seconds: int


class Output(TypedDict):
    settled: bool
    healed: bool
    subject: str
    text: str


@step
def handler(event: Input, context: LambdaContext) -> Output:
    run_id, batch = event["run_id"], event["batch"]
    ids = [retry["communication_id"] for retry in event["retries"]]
    report = report_of(event["retries"], get_many(ids), run_id)
    patience = timedelta(seconds=event["patience_seconds"])
    settled = is_settled(report) or now() > parse_time(event["started_at"]) + patience
    if settled:
        update_batch(run_id, batch, state="FINISHED", finished_at=format_time(now()), report=report)
        end_run_of_ended_batches(run_id)
        count("CommunicationHealed", report["counts"].get("sent", 0))
        logger.info("redrive batch ended", run_id=run_id, batch=batch, counts=report["counts"])
    sent = report["counts"].get("sent", 0)
    return {
        "settled": settled,
        "healed": is_healed(report),
        "subject": f"Redrive: {sent} of {report['total']} communications sent",
        "text": text_of(report, f"Redrive {run_id}, batch {batch}"),
    }
