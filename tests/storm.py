"""A storm of messages, and what must be true after it: nothing twice, nothing lost, nothing hidden.

Most messages are as they should be. Of the others the provider refuses some for good, some at
first, and of some its answer is lost; part of what is in the queue is there twice, and a worker is
killed in the middle. `make bench-communications` and a workflow test run it.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.communications import (
    WORKER,
    Communications,
    any_customer_id,
    any_email,
    any_number,
)
from tests.processes import function_processes, kill

SHARE_OF_SMS = 0.10
SHARES = {"hiccup": 0.20, "refused": 0.05, "lost": 0.02}
SHARE_OF_DUPLICATES = 0.10
THREADS = 4
SECONDS_BETWEEN_LOOKS = 3
"""Looking costs the emulator time, too."""

type Watch = Callable[[float, str], None]


@dataclass(frozen=True)
class Message:
    recipient: str
    fate: str

    @property
    def channel(self) -> str:
        return "sms" if self.recipient.startswith("+") else "email"


@dataclass
class Storm:
    """One storm. `watch` is told how it goes: seconds since the begin, and a line. What a killed
    worker had in its hands comes back after `seconds_to_be_visible_again`.
    """

    communications: Communications
    number: int
    watch: Watch = lambda seconds, line: None
    seed: int = 1
    seconds_at_most: float = 3600.0
    seconds_to_be_visible_again: int = 30
    customer_id: str = field(default_factory=any_customer_id)
    messages: list[Message] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    duplicates: int = 0
    killed: int = 0
    dead_letters_before: int = 0
    seconds_to_compose: float = 0.0
    seconds: float = 0.0

    def run(self) -> None:
        """Compose all, kill a worker on the way, and wait until nothing is in flight."""
        self.messages = planned(self.number, random.Random(self.seed))
        self.dead_letters_before = self._dead_letters()
        with self.communications.soon_visible_again(self.seconds_to_be_visible_again):
            begin = time.monotonic()
            with ThreadPoolExecutor(1) as pool:
                composing = pool.submit(self._compose)
                while not composing.done():
                    self._look(begin)
                self.ids = composing.result()
            self.seconds_to_compose = time.monotonic() - begin
            while not self.communications.quiet():
                self._look(begin)
                if time.monotonic() - begin > self.seconds_at_most:
                    raise TimeoutError(f"not done after {self.seconds_at_most:.0f} s")
            self.seconds = time.monotonic() - begin

    def _compose(self) -> list[str]:
        """Compose all messages, and put the duplicates into the queue."""
        chance = random.Random(self.seed)
        duplicated = set(chance.sample(self.messages, round(self.number * SHARE_OF_DUPLICATES)))
        self.duplicates = len(duplicated)

        def compose(message: Message) -> str:
            one = self.communications.compose(message.recipient, customer_id=self.customer_id)
            if message in duplicated:
                self.communications.duplicate(one, message.channel)
            return one

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(compose, self.messages))

    def _look(self, begin: float) -> None:
        """Tell how far it is; with half of the messages out, kill the worker."""
        sent = self._received().total()
        if not self.killed and sent > self.number // 2:
            self.killed = kill(function_processes(self.communications.instance, WORKER))
        queue = self.communications.in_queue("CommunicationsQueue")
        events = self.communications.in_queue("EmailEventsQueue")
        line = f"received {sent:5}   in the queue {queue:5}   e-mail events {events:5}"
        self.watch(time.monotonic() - begin, line)
        time.sleep(SECONDS_BETWEEN_LOOKS)

    # --- what must be true afterwards

    def faults(self) -> Iterator[str]:
        """Everything that is not as it must be, in plain words."""
        records = {one["communication_id"]: one for one in self.records()}
        received = self._received()
        if len(records) != self.number:
            yield f"{len(records)} records of {self.number} messages"
        for recipient, number in received.items():
            if number > 1:
                yield f"{recipient} got {number} messages"
        for one, message in zip(self.ids, self.messages, strict=True):
            record, got = records[one], received[message.recipient]
            yield from faults_of(message, record, got)
        yield from self._unlisted(records)
        for name in ("CommunicationsQueue", "EmailEventsQueue"):
            if left := self.communications.in_queue(name):
                yield f"{left} messages are left in {name}"
        if more := self._dead_letters() - self.dead_letters_before:
            yield f"{more} messages are in the dead-letter queue"

    def _unlisted(self, records: dict[str, dict[str, Any]]) -> Iterator[str]:
        """What is not sent is to be found by whoever looks for it, with its cause."""
        for state in ("FAILED", "UNKNOWN"):
            listed = self.communications.listed(state=state, customer_id=self.customer_id)
            wanted = {one for one, record in records.items() if record["state"] == state}
            if set(listed) != wanted:
                yield f"{len(listed)} are listed as {state}, {len(wanted)} are so"
            for found in listed.values():
                if not found["error"] or not found["cause"]:
                    yield f"{found['communication_id']} is listed without its cause"

    def records(self) -> list[dict[str, Any]]:
        return self.communications.records(self.customer_id)

    def _received(self) -> Counter[str]:
        ours = {message.recipient for message in self.messages}
        received = self.communications.received()
        return Counter({to: number for to, number in received.items() if to in ours})

    def _dead_letters(self) -> int:
        return self.communications.in_queue("CommunicationsDeadLetterQueue")


def planned(number: int, chance: random.Random) -> list[Message]:
    """The storm's messages, in no order; each fate has its share of both channels."""
    sms = round(number * SHARE_OF_SMS)
    messages = []
    for total, any_recipient in ((number - sms, any_email), (sms, any_number)):
        fates = [
            fate for fate, share in SHARES.items() for _ in range(max(1, round(total * share)))
        ]
        fates += ["good"] * (total - len(fates))
        messages += [Message(any_recipient(fate), fate) for fate in fates[:total]]
    chance.shuffle(messages)
    return messages


def faults_of(message: Message, record: dict[str, Any], got: int) -> Iterator[str]:
    """What is wrong with one message's end."""
    state, error = record["state"], record.get("error")
    what = f"{message.channel} with the fate {message.fate}: {state} {error}, received {got}"
    if state not in ("SENT", "FAILED", "UNKNOWN"):
        yield f"{what}: no end"
    elif int(record["sent"]) != int(state == "SENT"):
        yield f"{what}: sent is {record['sent']}"
    elif state == "SENT" and got != 1:
        yield f"{what}: not received once"
    elif state == "FAILED" and (got or message.fate != "refused"):
        yield f"{what}: failed wrongly"
    elif (
        state == "UNKNOWN"
        and error != "WorkerLost"
        and (message.fate != "lost" or message.channel == "email")
    ):
        yield f"{what}: unknown wrongly"
