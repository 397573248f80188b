"""One morning of messages: a provider refuses a domain, people see it, mend the cause, and have
what failed sent again with care.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.cloud.client import wait_until
from local.cloud.faults import clear_faults, set_faults
from tests.cloud import INSTANCE, SECONDS_TO_WAIT, TestCloud
from tests.communications import Communications, any_customer_id, any_email, any_number, events_of

BROKEN = [any_email("broken") for _ in range(13)]
GOOD = [any_email(), any_number()]
SLOW = any_email("slow")
BUSY = any_email("busy")
SEND_EMAIL = {"service": "ses", "operation": "SendEmail"}
REFUSED = {
    **SEND_EMAIL,
    "recipient": "*@broken.example",
    "action": "reject",
    "code": "MessageRejected",
    "status": 400,
    "message": "The sender is not verified.",
}
PASSING = [
    {**SEND_EMAIL, "recipient": "*@slow.example", "action": "delay", "seconds": 2, "times": 1},
    {**SEND_EMAIL, "recipient": "*@busy.example", "action": "reject", "times": 1},
]


# The other story's calls are transcribed meanwhile.
pytestmark = pytest.mark.usefixtures("all_real_calls")


@dataclass
class Story:
    """What was sent that morning, by its recipient, and the redrive that mended it."""

    ids: dict[str, str]
    cluster: dict[str, Any]
    discarded: str
    run: dict[str, Any]


@pytest.fixture(scope="module")
def communications(cloud: TestCloud) -> Iterator[Communications]:
    set_faults(cloud.endpoint, [REFUSED, *PASSING])
    yield Communications(cloud, INSTANCE)
    clear_faults(cloud.endpoint)


@pytest.fixture(scope="module")
def story(cloud: TestCloud, communications: Communications) -> Story:
    """The morning, from the first message to the end of the redrive."""
    customer_id = any_customer_id()
    recipients = [*GOOD, SLOW, BUSY, *BROKEN]
    ids = {to: communications.compose(to, customer_id=customer_id) for to in recipients}
    for recipient in BROKEN:
        communications.in_state(ids[recipient], "FAILED")
    cluster = next(
        one
        for one in communications.done("GET", "/failed/clusters", role="supervisor")["clusters"]
        if one["destination"] == "broken.example"
    )
    discarded = ids[BROKEN[-1]]
    reason = {"reason": "The customer was told on the telephone."}
    communications.done("POST", f"/{discarded}/discard", reason, role="supervisor")
    clear_faults(cloud.endpoint)  # The cause is mended.
    run_id = communications.redrive(cluster_id=cluster["cluster_id"], canary=True)
    return Story(ids, cluster, discarded, communications.run_ended(run_id))


def test_good_slow_and_busy_recipients_get_their_messages_meanwhile(
    communications: Communications, story: Story
) -> None:
    found = [communications.in_state(story.ids[to], "SENT") for to in (*GOOD, SLOW, BUSY)]

    received = communications.received()
    assert [received[to] for to in (*GOOD, SLOW, BUSY)] == [1] * 4
    assert [one["attempts"] for one in found] == [1, 1, 1, 2]


def test_the_failures_are_one_cluster_with_its_cause(story: Story) -> None:
    assert story.cluster["error"] == "MessageRejected"
    assert story.cluster["template"] == "case_update"
    assert story.cluster["count"] == story.cluster["redrivable"] == len(BROKEN)


def test_a_canary_redrive_heals_them_once_the_cause_is_mended(
    communications: Communications, story: Story
) -> None:
    assert (story.run["state"], story.run["counts"]) == ("FINISHED", {"sent": 12})
    received = communications.received()
    assert [received[to] for to in BROKEN] == [1] * 12 + [0]
    failed = communications.listed(error_class="permanent")
    assert not {story.ids[to] for to in BROKEN} & set(failed)


def test_who_asked_for_it_gets_a_report(cloud: TestCloud, story: Story) -> None:
    told = cloud.alert(story.run["run_id"], subject="A canary redrive of communications finished")

    assert story.run["outcome"] in told
    assert not any(recipient in told for recipient in BROKEN)


def test_what_was_discarded_stays_so(communications: Communications, story: Story) -> None:
    found = communications.read(story.discarded)

    assert (found["state"], found["sent"], found["redrives"]) == ("DISCARDED", 0, 0)
    assert events_of(found) == ["composed", "failed", "discarded"]
    wait_until(communications.quiet, SECONDS_TO_WAIT, "everything to end")
    assert communications.received()[BROKEN[-1]] == 0
