"""The laptop cloud of the tests: one deployment for all suites of a run, seen from outside.

Every run deploys, so that it tests the code as it is; set KEEP_TEST_CLOUD to leave the instance
running afterwards, which saves the next run the start. AFTERCALL_ENGINE names another engine, which
has to run and goes on running.
"""

import functools
import hashlib
import json
import os
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from local.cloud import deployment, engines
from local.cloud.client import Cloud, wait_until
from local.cloud.settings import Instance, instance_on
from post_call.execution import call_id_of
from shared.times import format_time
from tests.deadlines import SECONDS_TO_WAIT

INSTANCE = instance_on(
    os.environ.get("AFTERCALL_ENGINE", "embedded"), Instance("test", max_processes=32)
)
"""So many processes that functions stay warm and no request finds all busy: on a laptop they
are fewer, for each holds some 70 MB.
"""
STATES_ENDED = {"ANALYSED", "FAILED"}


@functools.cache
def running_cloud() -> "TestCloud":
    """Start the instance if need be, deploy, and listen to what it says to the outside."""
    endpoint = engines.ready(INSTANCE, print)
    cloud = TestCloud(endpoint, deployment.deploy(INSTANCE, endpoint, print))
    cloud.listen()
    return cloud


def stop_cloud() -> None:
    """Stop the instance, unless it shall stay; for the end of the run, however many call it."""
    stays = os.environ.get("KEEP_TEST_CLOUD") or INSTANCE.service
    if running_cloud.cache_info().currsize and not stays:
        engines.stop(INSTANCE, print)
        running_cloud.cache_clear()


@dataclass(frozen=True)
class Recording:
    """A recording in the bucket, and the call that comes of it."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    version_id: str

    @property
    def call_id(self) -> str:
        return call_id_of(self.bucket, self.key, self.etag)

    @property
    def object(self) -> dict[str, Any]:
        """What the state machine is given of it."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "etag": self.etag,
            "size_bytes": self.size_bytes,
            "version_id": self.version_id,
        }

    def created_event(self) -> str:
        """The event that S3 would send for it now."""
        return json.dumps(
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "time": format_time(datetime.now(UTC)),
                "detail": {
                    "bucket": {"name": self.bucket},
                    "object": {
                        "key": self.key,
                        "etag": self.etag,
                        "size": self.size_bytes,
                        "version-id": self.version_id,
                    },
                },
            }
        )


@dataclass
class TestCloud(Cloud):
    """The cloud with a front door, and with ears on its bus and its alerts."""

    __test__ = False

    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _heard: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def events(self) -> Any:
        return deployment.client("events", self.endpoint)

    @cached_property
    def awslambda(self) -> Any:
        return deployment.client("lambda", self.endpoint)

    @cached_property
    def _ear(self) -> str:
        url: str = self.sqs.create_queue(QueueName=f"heard-{self.run}")["QueueUrl"]
        return url

    def listen(self) -> None:
        """Hear every event on the bus, and every alert."""
        arn = self.queue_arn(self._ear)
        bus = self.outputs["EventBusName"]
        rule = f"heard-{self.run}"
        pattern = json.dumps({"source": [{"prefix": "aftercall."}]})
        self.events.put_rule(Name=rule, EventBusName=bus, EventPattern=pattern)
        self.events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "ear", "Arn": arn}])
        deployment.client("sns", self.endpoint).subscribe(
            TopicArn=self.outputs["AlertsTopicArn"], Protocol="sqs", Endpoint=arn
        )

    def here(self, url: str) -> str:
        """A URL that a function made, as this machine reaches it."""
        return url.replace(INSTANCE.functions_endpoint, self.endpoint, 1)

    def queue_arn(self, url: str) -> str:
        reply = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(reply["Attributes"]["QueueArn"])

    def drop(self, name: str, content: bytes, *, tagging: str = "", folder: str = "") -> Recording:
        """Put a recording where the telephone system would put it, each test into a folder."""
        folder = folder or uuid.uuid4().hex[:8]
        return self.put(f"recordings/{self.run}/{folder}/{name}", content, tagging=tagging)

    def put(self, key: str, content: bytes, *, tagging: str = "") -> Recording:
        bucket = self.outputs["RecordingsBucketName"]
        reply = self.s3.put_object(Bucket=bucket, Key=key, Body=content, Tagging=tagging)
        etag = reply["ETag"].strip('"')
        return Recording(bucket, key, etag, len(content), reply["VersionId"])

    def ended(self, call_id: str, *, attempt: int = 1) -> dict[str, Any]:
        """The call's row once that attempt has ended."""

        def read() -> dict[str, Any] | None:
            row = self.call(call_id)
            ended = row and row["state"] in STATES_ENDED and int(row["attempt"]) >= attempt
            return row if ended else None

        return wait_until(read, SECONDS_TO_WAIT, f"the end of call {call_id}, attempt {attempt}")

    def event(self, detail_type: str, call_id: str) -> dict[str, Any]:
        """The event of that type for the call, once it is heard."""
        return wait_until(
            lambda: next(iter(self.heard(detail_type, call_id)), None),
            SECONDS_TO_WAIT,
            f"{detail_type} of {call_id}",
        )

    def heard(self, detail_type: str, call_id: str = "") -> list[dict[str, Any]]:
        """The events of that type heard so far, of a call or of all."""
        self._hear()
        events = self._heard[detail_type]
        return [event for event in events if call_id in ("", event["detail"]["subject_id"])]

    def alert(self, about: str, *, subject: str = "") -> str:
        """The text of an alert that names this call or redrive, once one is heard; where there may
        be several, the one whose subject begins so.
        """

        def read() -> str | None:
            texts = (
                alert["Message"]
                for alert in self.alerts(about)
                if alert.get("Subject", "").startswith(subject)
            )
            return next(texts, None)

        return wait_until(read, SECONDS_TO_WAIT, f"the alert {subject} of {about}")

    def alerts(self, about: str) -> list[dict[str, Any]]:
        """The alerts heard so far that name this call or redrive, each with Subject and Message."""
        self._hear()
        return [alert for alert in self._heard["alert"] if about in alert["Message"]]

    def _hear(self) -> None:
        while messages := self.sqs.receive_message(QueueUrl=self._ear, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                heard = json.loads(message["Body"])
                self._heard[heard.get("detail-type", "alert")].append(heard)
                self.sqs.delete_message(QueueUrl=self._ear, ReceiptHandle=message["ReceiptHandle"])

    def documents(self, call_id: str) -> list[str]:
        """The keys of the analyses that are stored of a call."""
        bucket = self.outputs["AnalysesBucketName"]
        return self.keys(bucket, f"analyses/{call_id}/")

    def keys(self, bucket: str, prefix: str) -> list[str]:
        reply = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for found in reply.get("Contents", [])]

    def analysis(self, row: dict[str, Any]) -> Any:
        return self.document(row["analysis_bucket"], row["analysis_key"])

    def original(self, row: dict[str, Any]) -> Any:
        return self.document(row["transcript_bucket"], row["transcript_key"])

    def execution(self, arn: str) -> dict[str, Any]:
        """The description of an execution once it has ended."""

        def read() -> dict[str, Any] | None:
            found: dict[str, Any] = self.stepfunctions.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        return wait_until(read, SECONDS_TO_WAIT, f"the end of {arn}")

    def history(self, arn: str) -> list[dict[str, Any]]:
        pages = self.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def executions(self, machine_arn: str, status: str = "") -> list[dict[str, Any]]:
        pages = self.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=machine_arn, **({"statusFilter": status} if status else {})
        )
        return [execution for page in pages for execution in page["executions"]]


def any_call_id() -> str:
    return hashlib.sha256(uuid.uuid4().bytes).hexdigest()
