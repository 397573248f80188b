"""The calls of `post_call` that tests start ahead: recordings that are dropped, and executions.

Each test waits for its own. What is not started yet is started when a test asks for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from local.cloud.client import wait_until
from tests import recordings
from tests.cloud import SECONDS_TO_WAIT, Recording, TestCloud
from tests.workflow.machines import Machines
from tests.workflow.post_call import call_input, mocked_input

UNREADABLE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("empty.wav", lambda: b"", "RecordingEmpty"),
    "headerless": ("raw.wav", recordings.raw_samples, "RecordingHeaderless"),
    "no audio": ("invoice.txt", recordings.no_audio, "RecordingNotAudio"),
    "truncated": ("cut.wav", lambda: recordings.TRUNCATED, "RecordingTruncated"),
    "too long": ("five_hours.wav", lambda: recordings.hours(5), "RecordingTooLong"),
    "six channels": ("conference.wav", recordings.six_channels, "RecordingUnsupported"),
}
READABLE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "silence": ("silence.flac", recordings.silence),
    "mono": ("mono.flac", recordings.mono),
    "angry": (
        "Outage_GUID_1_AGENT_Chris_CUST_1002_DT_2026-03-02T16-40-37.flac",
        recordings.angry_customer,
    ),
    "personal data": ("numbers.flac", recordings.account_number_and_email),
    "goodbye": ("goodbye.flac", recordings.goodbye),
}
MOCKED = [
    "everything_is_throttled_once",
    "every_function_fails_transiently_once",
    "the_way_of_a_failure_is_throttled_once",
    "the_way_of_a_failure_fails_transiently_once",
    "bus_stays_throttled",
    "storing_is_denied",
    "claim_is_denied",
    "fetched_nothing",
    "one_analysis_fails",
    "follow_up_is_refused",
    "failure_is_not_recorded",
]


@dataclass
class Started:
    """An execution started directly."""

    call_id: str
    arn: str


@dataclass
class StartedCalls:
    """The recordings dropped and the executions started so far, by their names above."""

    cloud: TestCloud
    machines: Machines
    _dropped: dict[str, Recording] = field(default_factory=dict)
    _mocked: dict[str, Started] = field(default_factory=dict)

    def begin(self) -> None:
        """Start everything."""
        for case in MOCKED:
            self.mocked(case)
        _ = self.overtaken, self.timed_out, self.repeated
        for name in UNREADABLE | READABLE:
            self.dropped(name)

    def dropped(self, name: str) -> Recording:
        if name not in self._dropped:
            file_name, content = (UNREADABLE | READABLE)[name][:2]  # type: ignore[operator]
            self._dropped[name] = self.cloud.drop(file_name, content())
        return self._dropped[name]

    def mocked(self, case: str) -> Started:
        """The execution of a call that has no recording, with a case of mocks.json."""
        if case not in self._mocked:
            self._mocked[case] = self._start("post_call", case)
        return self._mocked[case]

    @cached_property
    def repeated(self) -> Recording:
        """A recording of which the queue is told five times."""
        recording = self.cloud.drop("again.flac", recordings.silence(1.5))
        for _ in range(4):
            self.cloud.sqs.send_message(
                QueueUrl=self.cloud.outputs["RecordingsQueueUrl"],
                MessageBody=recording.created_event(),
            )
        return recording

    @cached_property
    def overtaken(self) -> tuple[Started, Started]:
        """An execution whose lease has long run out, and the one that claims its call meanwhile."""
        past = datetime.now(UTC) - timedelta(hours=8)
        given = mocked_input(started=past, lease=timedelta(hours=7))
        call_id = given["call_id"]
        older = self.machines.start("post_call", given, case="analyses_late")
        wait_until(lambda: self.cloud.call(call_id), SECONDS_TO_WAIT, "the older one's claim")
        newer = self.machines.start("post_call", call_input(call_id=call_id), case="takes_over")
        return Started(call_id, older), Started(call_id, newer)

    @cached_property
    def timed_out(self) -> Started:
        """An execution that comes to no end in its time."""
        return self._start("impatient", "fetching_never_succeeds")

    def _start(self, variant: str, case: str) -> Started:
        given = mocked_input()
        return Started(given["call_id"], self.machines.start(variant, given, case=case))
