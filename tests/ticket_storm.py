"""A storm of tickets, and what must be true after it: none lost, none with two people at once,
nobody with more than they have room for, everything told once.

Scripted representatives work on them at the same time, each with a token of their own: they look at
their list, accept, write to the customer, ask and wait for an answer, resolve; some tickets are
declined, some are left lying until they are returned, and some are resolved by an impatient double
click. Functions' processes are killed in the middle. `make bench-tickets` and a workflow test run
it.
"""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import requests

from local.cloud.client import wait_until
from shared.items import to_values
from tests.communications import any_email, physical_id
from tests.processes import busy_processes, handler_of, kill
from tests.ticket_histories import (
    SECONDS_TO_STORE,
    Entry,
    Holding,
    faults_of,
    holdings_of,
    most_at_once,
    place_of,
)
from tests.tickets import SECONDS_TO_WAIT, Tickets, any_name

SHARES = {"asked": 0.2, "declined": 0.1, "left": 0.1, "twice": 0.1}
"""Of which tickets the customer is asked something, which are declined by whoever gets them first,
which are left lying, and which are resolved twice at once. The others are plain.
"""
CAPACITY = 3
THREADS_TO_OPEN = 4
SECONDS_TO_BE_BUSY = 30.0

_HAPPENED = {
    "accept": "accepted",
    "comment": "commented",
    "pending": "pending",
    "resume": "resumed",
    "resolve": "resolved",
    "decline": "declined",
}
"""What the history says of an action."""

type Watch = Callable[[float, str], None]


@dataclass(frozen=True)
class Case:
    """A ticket that is to be, and who its customer is."""

    subject: str
    fate: str
    email: str


@dataclass
class TicketStorm:
    """One storm. `watch` is told how it goes: seconds since the begin, and a line. A ticket that
    nobody reacts to is returned after `return_seconds`.
    """

    tickets: Tickets
    number: int
    representatives: int
    kills: int
    watch: Watch = lambda seconds, line: None
    seed: int = 1
    seconds_at_most: float = 3600.0
    seconds_between_looks: float = 1.0
    return_seconds: int = 5
    name: str = field(default_factory=lambda: any_name("storm"))
    cases: dict[str, Case] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    repeated: int = 0
    strays: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    dead_letters_before: int = 0
    seconds_to_open: float = 0.0
    seconds: float = 0.0
    seconds_to_send: float = 0.0
    _refused: list[str] = field(default_factory=list)
    _overloaded: list[str] = field(default_factory=list)
    _samples: int = 0
    _acknowledged: Counter[tuple[str, str]] = field(default_factory=Counter)
    _unanswered: Counter[tuple[str, str]] = field(default_factory=Counter)
    _steps_done: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _left_to: dict[str, tuple[str, int]] = field(default_factory=dict)
    _declined: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def people(self) -> list[str]:
        return [f"{self.name}-{number:02}" for number in range(self.representatives)]

    @property
    def hasty(self) -> str:
        """The queue whose tickets are returned soon."""
        return f"{self.name}-hasty"

    def run(self) -> None:
        """Open all, have them worked on, kill functions on the way, and wait for the last one."""
        self._prepare()
        begin = time.monotonic()
        with ThreadPoolExecutor(self.representatives + THREADS_TO_OPEN) as pool:
            jobs = [pool.submit(self._work, who) for who in self.people]
            opening = [pool.submit(self._open, case) for case in self.cases.values()]
            try:
                self._watch_until_closed(begin, jobs, opening)
                self.seconds = time.monotonic() - begin
            finally:
                self._over.set()
                for one in opening:
                    one.cancel()
            for one in jobs:
                one.result()
        self._dismiss()
        self._wait_for_executions()
        self._wait_for_messages()
        self.seconds_to_send = time.monotonic() - begin

    def _prepare(self) -> None:
        """Two queues, and people with a skill that nobody else has."""
        self.dead_letters_before = self._dead_letters()
        for queue, more in ((self.name, {}), (self.hasty, {"return_seconds": self.return_seconds})):
            self.tickets.store_queue(queue, required_skills=[self.name], **more)
        for who in self.people:
            self.tickets.store_representative(who, capacity=CAPACITY, skills=[self.name])
        chance = random.Random(self.seed)
        fates = [
            fate
            for fate, share in SHARES.items()
            for _ in range(max(1, round(self.number * share)))
        ]
        fates += ["plain"] * (self.number - len(fates))
        chance.shuffle(fates)
        for number, fate in enumerate(fates[: self.number]):
            subject = f"{self.name} {number:05}"
            self.cases[subject] = Case(subject, fate, any_email())

    def _open(self, case: Case) -> None:
        ticket = self.tickets.open(
            self.hasty if case.fate == "left" else self.name,
            key=case.subject,
            subject=case.subject,
            contact={"name": "Ann", "email": case.email},
        )
        with self._lock:
            self.ids[case.subject] = ticket["ticket_id"]

    # --- a representative

    def _work(self, who: str) -> None:
        while not self._over.is_set():
            try:
                acted = self._look_after_all(who)
            except requests.RequestException:
                acted = False
            if not acted:
                self._over.wait(self.seconds_between_looks)

    def _look_after_all(self, who: str) -> bool:
        """Do what is to be done with each of somebody's tickets; whether there was anything."""
        acted = False
        for ticket in self._list(who, assignee=who):
            acted |= self._look_after(who, ticket)
        return acted

    def _list(self, by: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query["limit"] = "100"
        while True:
            page = self.tickets.done("GET", f"?{urlencode(query)}", by=by)
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    def _look_after(self, who: str, ticket: dict[str, Any]) -> bool:
        case = self.cases.get(ticket["subject"])
        if case is None:
            self.strays += 1
            return bool(self._act(ticket, "decline", who, reason="It is not of this storm."))
        if ticket["state"] == "PENDING":
            return bool(self._act(ticket, "resume", who, text="It is the left one."))
        if ticket["state"] == "ASSIGNED":
            accepted = self._take_up(who, ticket, case)
            return accepted is not None and self._go_on(who, accepted, case)
        return self._go_on(who, ticket, case)

    def _take_up(self, who: str, ticket: dict[str, Any], case: Case) -> dict[str, Any] | None:
        """Accept a ticket, unless it is to be left lying or declined."""
        ticket_id, mine = ticket["ticket_id"], (who, ticket["version"])
        with self._lock:
            left = case.fate == "left" and self._left_to.setdefault(ticket_id, mine) == mine
            declines = case.fate == "declined" and self._declined.setdefault(ticket_id, who) == who
        if left:
            return None
        if declines:
            self._act(ticket, "decline", who, reason="I do not know that machine.")
            return None
        return self._act(ticket, "accept", who)

    def _go_on(self, who: str, ticket: dict[str, Any], case: Case) -> bool:
        """Write to the customer once, ask them once if that is the ticket's fate, resolve it."""
        done = self._steps_done[ticket["ticket_id"]]
        following: dict[str, Any] | None = ticket
        if "comment" not in done:
            following = self._act(ticket, "comment", who, text="We look at it.", public=True)
        if following and case.fate == "asked" and "pending" not in done:
            return bool(self._act(following, "pending", who, text="Which one is it?"))
        if not following:
            return False
        return self._resolve(who, following, twice=case.fate == "twice")

    def _resolve(self, who: str, ticket: dict[str, Any], *, twice: bool) -> bool:
        def resolve() -> dict[str, Any] | None:
            return self._act(ticket, "resolve", who, resolution="It was repaired.")

        if not twice:
            return bool(resolve())
        with ThreadPoolExecutor(2) as pool:
            clicks = [pool.submit(resolve) for _ in range(2)]
        return any(click.result() for click in clicks)

    def _act(
        self, ticket: dict[str, Any], action: str, who: str, **body: Any
    ) -> dict[str, Any] | None:
        """Change the version that was seen; None where it has changed meanwhile, or where there was
        no answer: the next look tells.
        """
        ticket_id = ticket["ticket_id"]
        change = {"version": ticket["version"], **body}
        try:
            reply = self.tickets.ask("POST", f"/{ticket_id}/{action}", change, by=who)
        except requests.RequestException:
            with self._lock:
                self._unanswered[ticket_id, _HAPPENED[action]] += 1
            return None
        with self._lock:
            self.answers[reply.status_code] += 1
            self.repeated += len(reply.raw.retries.history)
            if reply.ok:
                self._acknowledged[ticket_id, _HAPPENED[action]] += 1
                self._steps_done[ticket_id].add(action)
            elif reply.status_code != 409:
                self._refused.append(f"{action}: {reply.status_code} {reply.text}")
        return reply.json() if reply.ok else None

    # --- whoever watches

    def _watch_until_closed(
        self, begin: float, jobs: list[Future[None]], opening: list[Future[None]]
    ) -> None:
        while True:
            for one in [*jobs, *opening]:
                if one.done():
                    one.result()
            if not self.seconds_to_open and all(one.done() for one in opening):
                self.seconds_to_open = time.monotonic() - begin
            resolved = self._number_resolved()
            self._kill_one_in_time(resolved)
            loads = self._sample_loads()
            line = f"opened {len(self.ids):5}   resolved {resolved:5}   in hand {sum(loads):4}"
            self.watch(time.monotonic() - begin, line)
            if resolved >= self.number and not self._open_tickets():
                return
            if time.monotonic() - begin > self.seconds_at_most:
                raise TimeoutError(f"not done after {self.seconds_at_most:.0f} s")
            self._over.wait(self.seconds_between_looks)

    def _number_resolved(self) -> int:
        """Of how many it was said that they are, answered or not."""
        with self._lock:
            told = [*self._acknowledged, *self._unanswered]
        return len({ticket_id for ticket_id, event in told if event == "resolved"})

    def _kill_one_in_time(self, resolved: int) -> None:
        """Kill a function that computes, each time when so many more are resolved."""
        killed = self.killed.total()
        if killed < self.kills and resolved > self.number * (killed + 1) // (self.kills + 1):
            busy = wait_until(
                lambda: busy_processes(self.tickets.instance, "tickets."),
                SECONDS_TO_BE_BUSY,
                "a function of tickets that computes",
                pause=0.002,
            )
            handler = handler_of(busy[0])
            self.killed[handler] += kill(busy[:1])

    def _sample_loads(self) -> list[int]:
        """How much each of our people has; more than they can have is a fault."""
        found = self.tickets.done("GET", "/representatives")
        ours = [one for one in found if one["representative_id"] in set(self.people)]
        self._samples += 1
        self._overloaded += [
            f"{one['representative_id']} has {one['load']} tickets"
            for one in ours
            if not 0 <= one["load"] <= CAPACITY
        ]
        return [one["load"] for one in ours]

    def _open_tickets(self) -> list[dict[str, Any]]:
        return [
            ticket
            for queue in (self.name, self.hasty)
            for ticket in self._list("supervisor", queue=queue, phase="open")
        ]

    def _dismiss(self) -> None:
        """Nobody of ours gets any more; what is not ours goes back."""
        for who in self.people:
            self.tickets.store_representative(who, version=1, skills=[self.name], capacity=0)
            self._look_after_all(who)

    def _wait_for_executions(self) -> None:
        def ended() -> bool:
            return all(one["status"] != "RUNNING" for one in self._executions())

        wait_until(ended, SECONDS_TO_WAIT, "the end of all executions")

    def _wait_for_messages(self) -> None:
        """Until everybody is told what there was to tell."""
        wanted = sum(self._notices_told().values(), Counter()).total()

        def told() -> bool:
            messages = self._messages()
            return len(messages) >= wanted and all(one["state"] == "SENT" for one in messages)

        wait_until(
            told, self.seconds_at_most, f"{wanted} messages", pause=self.seconds_between_looks
        )

    # --- what must be true afterwards

    def faults(self) -> Iterator[str]:
        """Everything that is not as it must be, in plain words."""
        yield from self._refused
        yield from self._overloaded
        if len(set(self.ids.values())) != self.number:
            yield f"{len(set(self.ids.values()))} tickets of {self.number}"
        yield from self._unclosed()
        records, histories = self._records, self.histories
        for ticket_id in self.ids.values():
            version = int(records[ticket_id]["version"])
            for fault in faults_of(histories[ticket_id], version):
                yield f"history of {ticket_id}: {fault}"
            yield from self._unlike_answers(ticket_id, histories[ticket_id])
        for who, most in most_at_once(self.holdings, SECONDS_TO_STORE).items():
            if most > CAPACITY:
                yield f"{who} had {most} tickets at once"
        yield from self._left_behind()
        yield from self._badly_ended()
        yield from self._told_wrongly()
        if more := self._dead_letters() - self.dead_letters_before:
            yield f"{more} events are in the dead-letter queue"

    def _unclosed(self) -> Iterator[str]:
        closed = {
            ticket["ticket_id"]
            for queue in (self.name, self.hasty)
            for ticket in self._list("supervisor", queue=queue, state="CLOSED")
        }
        for ticket_id in set(self.ids.values()) ^ closed:
            yield f"{ticket_id} is {self._records[ticket_id]['state']}"

    def _unlike_answers(self, ticket_id: str, history: list[Entry]) -> Iterator[str]:
        """What was answered with success, or not at all, is there as often as that."""
        happened = Counter(entry["event"] for entry in history if entry["by"] != "workflow")
        for event in _HAPPENED.values():
            least = self._acknowledged[ticket_id, event]
            most = least + self._unanswered[ticket_id, event]
            if not least <= happened[event] <= most:
                yield f"{ticket_id} was {event} {happened[event]} times, answered {least} times"

    def _left_behind(self) -> Iterator[str]:
        """Loads, notices that nobody sent, and tickets that are still watched."""
        for one in self.tickets.done("GET", "/representatives"):
            if one["representative_id"] in self.people and one["load"]:
                yield f"{one['representative_id']} still has {one['load']} tickets"
        for workflow in self._scan("TicketWorkflowsTableName"):
            if workflow["ticket_id"] in self._our_ids:
                if workflow["outbox"]:
                    yield f"notices of {workflow['ticket_id']} are left: {[*workflow['outbox']]}"
                if "watched" in workflow:
                    yield f"{workflow['ticket_id']} is still watched"

    def _badly_ended(self) -> Iterator[str]:
        without = set(self._our_ids)
        for execution in self.executions:
            without.discard(execution["name"].rpartition("-")[0])
            if execution["status"] != "SUCCEEDED":
                yield f"{execution['name']} is {execution['status']}"
        for ticket_id in without:
            yield f"{ticket_id} has no execution"

    def _told_wrongly(self) -> Iterator[str]:
        """Every notice that the histories speak of is composed, and arrives, exactly once."""
        composed: dict[str, Counter[str]] = defaultdict(Counter)
        for message in self._messages():
            composed[message["trace_id"]][message["template"]] += 1
        received = self._received
        for subject, ticket_id in self.ids.items():
            wanted = self._notices_told()[ticket_id]
            if composed[ticket_id] != wanted:
                yield f"{ticket_id} has {composed[ticket_id]} composed, not {wanted}"
            got, for_customer = received[self.cases[subject].email], _for_customer(wanted)
            if got != for_customer:
                yield f"the customer of {ticket_id} got {got} messages, not {for_customer}"

    # --- what the tables say

    @cached_property
    def histories(self) -> dict[str, list[Entry]]:
        """The entries of each of our tickets, in order."""
        found: dict[str, list[Entry]] = {ticket_id: [] for ticket_id in self._our_ids}
        for entry in self._scan("TicketHistoryTableName"):
            if entry["ticket_id"] in found:
                found[entry["ticket_id"]].append(entry)
        return {ticket_id: sorted(entries, key=place_of) for ticket_id, entries in found.items()}

    @cached_property
    def holdings(self) -> list[Holding]:
        return [
            holding
            for ticket_id, entries in self.histories.items()
            for holding in holdings_of(ticket_id, entries)
        ]

    @cached_property
    def executions(self) -> list[dict[str, Any]]:
        """All that worked for our tickets, once they have ended."""
        return self._executions()

    def _executions(self) -> list[dict[str, Any]]:
        arn = self.tickets.cloud.outputs["TicketStateMachineArn"]
        pages = self.tickets.cloud.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=arn
        )
        found = (execution for page in pages for execution in page["executions"])
        return [one for one in found if one["name"].rpartition("-")[0] in self._our_ids]

    @cached_property
    def _our_ids(self) -> set[str]:
        return set(self.ids.values())

    @cached_property
    def _records(self) -> dict[str, dict[str, Any]]:
        return {record["ticket_id"]: record for record in self._scan("TicketsTableName")}

    @cached_property
    def _received(self) -> Counter[str]:
        mails = requests.get(f"{self.tickets.cloud.endpoint}/_aws/ses", timeout=60).json()
        return Counter(mail["Destination"]["ToAddresses"][0] for mail in mails["messages"])

    def _notices_told(self) -> dict[str, Counter[str]]:
        """By ticket, how often each template is to be sent, as its history has it."""
        return {ticket_id: _notices_of(entries) for ticket_id, entries in self.histories.items()}

    def _messages(self) -> list[dict[str, Any]]:
        """The communications about our tickets."""
        found = self._scan("CommunicationsTableName")
        return [message for message in found if message["trace_id"] in self._our_ids]

    def _scan(self, table: str) -> Iterator[dict[str, Any]]:
        pages = self.tickets.cloud.dynamodb.get_paginator("scan").paginate(
            TableName=self.tickets.cloud.outputs[table], ConsistentRead=True
        )
        return (to_values(item) for page in pages for item in page["Items"])

    def _dead_letters(self) -> int:
        cloud = self.tickets.cloud
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        counts = cloud.sqs.get_queue_attributes(
            QueueUrl=physical_id(cloud.endpoint, "TicketsDeadLetterQueue"), AttributeNames=names
        )
        return sum(map(int, counts["Attributes"].values()))


_TEMPLATES = {
    "opened": "case_opened",
    "pending": "case_message",
    "closed": "case_closed",
    "assigned": "case_assigned",
    "sla_warning": "case_warning",
    "manager_paged": "case_breach",
}
"""What somebody is sent when something has happened; a public comment is sent, too."""


def _notices_of(entries: list[Entry]) -> Counter[str]:
    told = Counter(_TEMPLATES[one["event"]] for one in entries if one["event"] in _TEMPLATES)
    told["case_message"] += sum(bool(one.get("public")) for one in entries)
    return told


def _for_customer(templates: Counter[str]) -> int:
    return sum(templates[name] for name in ("case_opened", "case_message", "case_closed"))
