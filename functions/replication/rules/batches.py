"""In which order the entities of a provider are taken, and how many a worker takes at a time.

Where all customers share a quota, the order is deficit round robin over them, which serves calls
and not entities: each round adds the same number of calls, the quantum, to what a customer is owed,
and a customer is served while it is owed anything. What its last entity needed beyond that is its
debt in the next round. So a customer waits for another's quantum and one entity of it, never for
its size: of two customers that both have entities left, one has had at most a quantum and the
largest entity more than the other. It is owed first and paid afterwards, because an entity is
worked on by one worker from its beginning to its end: the largest ones must begin early, or all
others would wait for them.

Where each account has a quota of its own, nobody takes it from anybody, and the account with the
most calls is what takes the time. So what a round adds is in proportion to what a customer has to
be done: all are as far at any time, and no quota is idle while there is work for it.

The order is cut into batches by guided self-scheduling: a batch is a part of what is left, so the
batches become smaller, and the end is not one worker with a long batch while the others have
nothing to do.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

LARGEST_BATCH = 25
"""Entities: enough for starting a worker to cost little, few enough for an execution's history."""

PARTS = 4
"""A batch is that part of what every worker would still get, if all got the same."""


class EntityWork(NamedTuple):
    """An entity, the name of its folder, and about how many calls it takes; at least one."""

    customer_id: str
    entity_id: str
    folder: str
    calls: int


def plan_batches(
    entities: Iterable[EntityWork],
    workers: int,
    largest: int = LARGEST_BATCH,
    *,
    in_proportion: bool = False,
) -> Iterator[list[EntityWork]]:
    """Batches in the order in which they are to be started, for about so many workers at once.
    `in_proportion` is for quotas that each account has for itself.

    They are the same whatever order the entities come in. The time is linear in their number but
    for the sorting, and so is the space.
    """
    ordered = fair_order(entities, in_proportion=in_proportion)
    left = sum(_calls(entity) for entity in ordered)
    position = 0
    while position < len(ordered):
        wanted = math.ceil(left / (PARTS * max(workers, 1)))
        batch, calls = _batch(ordered, position, wanted, largest)
        yield batch
        position += len(batch)
        left -= calls


def fair_order(entities: Iterable[EntityWork], *, in_proportion: bool = False) -> list[EntityWork]:
    """Deficit round robin: of each customer the largest entities first."""
    waiting = _by_customer(entities)
    sizes = [sum(map(_calls, own)) for own in waiting]
    number = sum(map(len, waiting))
    if not number:
        return []
    quantum = sum(sizes) / number
    quanta = [len(waiting) / number * size if in_proportion else quantum for size in sizes]
    turns = deque((own, added, 0.0) for own, added in zip(waiting, quanta, strict=True))
    ordered: list[EntityWork] = []
    while turns:
        own, added, owed = turns.popleft()
        owed += added
        while own and owed > 0:
            entity = own.popleft()
            owed -= _calls(entity)
            ordered.append(entity)
        if own:
            turns.append((own, added, owed))
    return ordered


def _by_customer(entities: Iterable[EntityWork]) -> list[deque[EntityWork]]:
    groups: defaultdict[str, list[EntityWork]] = defaultdict(list)
    for entity in entities:
        groups[entity.customer_id].append(entity)
    for own in groups.values():
        own.sort(key=attrgetter("entity_id"))
        own.sort(key=attrgetter("calls"), reverse=True)
    return [deque(groups[customer_id]) for customer_id in sorted(groups)]


def _batch(
    ordered: Sequence[EntityWork], position: int, wanted: int, largest: int
) -> tuple[list[EntityWork], int]:
    """Entities from a position on whose calls are no more than wanted, or one; and their calls."""
    batch = [ordered[position]]
    calls = _calls(ordered[position])
    for entity in ordered[position + 1 : position + largest]:
        if calls + _calls(entity) > wanted:
            break
        batch.append(entity)
        calls += _calls(entity)
    return batch, calls


def _calls(entity: EntityWork) -> int:
    """What is estimated at nothing is a call all the same: it must not make a round endless."""
    return max(entity.calls, 1)
