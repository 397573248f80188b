"""In which order entities are taken, and how many a worker takes at a time."""

import itertools
import random
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.rules.batches import EntityWork, fair_order, plan_batches


def work(customer_id, number, calls=20):
    return EntityWork(customer_id, f"{number:07}", f"Entity {number}", calls)


def works(**calls_by_customer):
    """Entities of customers, by the calls of each."""
    return [
        work(customer_id, number, calls)
        for customer_id, all_calls in calls_by_customer.items()
        for number, calls in enumerate(all_calls)
    ]


def calls_of(batches):
    return [sum(entity.calls for entity in batch) for batch in batches]


ANY_ENTITIES = st.dictionaries(
    st.sampled_from(["ada", "bob", "cem", "dan"]),
    st.lists(st.integers(1, 300) | st.just(5_000), min_size=1, max_size=40),
    max_size=4,
).map(lambda by_customer: works(**by_customer))


# --- the order


@given(ANY_ENTITIES)
def test_of_two_customers_with_entities_left_none_is_ahead_by_more_than_a_quantum_and_an_entity(
    entities,
):
    left = Counter(entity.customer_id for entity in entities)
    served = dict.fromkeys(left, 0)
    most = max((entity.calls for entity in entities), default=0)
    mean = sum(entity.calls for entity in entities) / max(len(entities), 1)

    for entity in fair_order(entities):
        served[entity.customer_id] += entity.calls
        left[entity.customer_id] -= 1
        waiting = [calls for customer_id, calls in served.items() if left[customer_id]]

        assert max(waiting, default=0) - min(waiting, default=0) <= mean + most


@given(ANY_ENTITIES)
def test_in_proportion_none_is_ahead_by_more_than_its_part_of_a_round_and_an_entity(entities):
    sizes, left, most = Counter[str](), Counter[str](), Counter[str]()
    for entity in entities:
        sizes[entity.customer_id] += entity.calls
        left[entity.customer_id] += 1
        most[entity.customer_id] = max(most[entity.customer_id], entity.calls)
    served = dict.fromkeys(sizes, 0)

    ordered = fair_order(entities, in_proportion=True)

    assert sorted(ordered) == sorted(entities)
    for entity in ordered:
        served[entity.customer_id] += entity.calls
        left[entity.customer_id] -= 1
        waiting = [one for one in served if left[one]]
        behind = min((served[one] / sizes[one] for one in waiting), default=1)
        for one in waiting:
            ahead = (served[one] - most[one]) / sizes[one]
            assert ahead <= behind + len(sizes) / len(entities) + 1e-9


def test_in_proportion_a_customer_with_ten_times_as_much_is_served_ten_times_as_often():
    ordered = fair_order(works(large=[20] * 100, small=[20] * 10), in_proportion=True)

    half = Counter(entity.customer_id for entity in ordered[:55])
    assert half == {"large": 50, "small": 5}


def test_a_customer_with_a_thousand_entities_delays_nobody():
    ordered = fair_order(works(large=[20] * 1000, small=[20] * 3))

    assert [one.customer_id for one in ordered[:6]] == ["large", "small"] * 3


def test_a_customer_with_one_huge_entity_delays_nobody_and_is_not_left_to_the_end():
    ordered = fair_order(works(huge=[10_000, 20], ordinary=[20] * 5))

    assert [one.calls for one in ordered[:2]] == [10_000, 20]
    assert [one.customer_id for one in ordered[1:-1]] == ["ordinary"] * 5


def test_the_largest_entities_of_a_customer_come_first():
    ordered = fair_order(works(ada=[5, 300, 20]))

    assert [one.calls for one in ordered] == [300, 20, 5]


# --- the batches


@given(ANY_ENTITIES, st.integers(1, 64), st.integers(1, 30))
def test_every_entity_is_in_one_batch_and_no_batch_is_too_large(entities, workers, largest):
    batches = list(plan_batches(entities, workers, largest))

    assert Counter(itertools.chain(*batches)) == Counter(entities)
    assert all(1 <= len(batch) <= largest for batch in batches)


@given(ANY_ENTITIES, st.randoms(use_true_random=False))
def test_batches_are_the_same_whatever_order_the_entities_come_in(entities, chance):
    shuffled = list(entities)
    chance.shuffle(shuffled)

    assert list(plan_batches(shuffled, 8)) == list(plan_batches(entities, 8))


def test_a_batch_is_a_quarter_of_what_each_worker_would_still_get():
    batches = list(plan_batches(works(ada=[10] * 400), workers=10))

    assert calls_of(batches)[0] == 100  # 4,000 calls for 4 x 10 workers
    assert calls_of(batches)[10] == 70  # 3,090 are left


def test_batches_become_smaller_until_they_are_single_entities():
    sizes = [len(batch) for batch in plan_batches(works(ada=[20] * 1000), workers=4)]

    assert sizes[0] == 25
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-16:] == [1] * 16


@pytest.mark.parametrize("workers", [1, 512])
def test_an_entity_larger_than_a_batch_is_a_batch(workers):
    batches = list(plan_batches(works(ada=[9_000], bob=[1], cem=[1]), workers))

    assert len(batches[0]) == 1


def test_nothing_to_do_is_no_batch():
    assert list(plan_batches([], workers=8)) == []


def test_entities_that_are_estimated_at_nothing_are_planned():
    assert sum(len(batch) for batch in plan_batches(works(ada=[0] * 30), workers=1)) == 30


@pytest.mark.parametrize("skew", [False, True], ids=["ordinary", "huge entities"])
def test_the_time_is_about_linear_in_the_number_of_entities(skew):
    chance = random.Random(5)

    def seconds(number):
        entities = [
            work(f"{chance.randrange(200)}", one, 1_000_000 if skew and one % 100 == 0 else 20)
            for one in range(number)
        ]
        begin = time.process_time()
        assert sum(len(batch) for batch in plan_batches(entities, 64)) == number
        return time.process_time() - begin

    few = min(seconds(2_000) for _ in range(3))

    assert seconds(40_000) < 100 * few  # Five times as much as is linear, for a noisy machine.
