"""Which process serves, and which one makes room."""

import threading
import time

import pytest
from aftercall_emulator.process_pool import AllBusyError, ProcessPool

from tests.emulator.support import eventually

LONG = 20.0


class Process:
    """What the pool asks of a process."""

    def __init__(self) -> None:
        self.alive = True

    def end(self) -> None:
        self.alive = False


def started(pool: ProcessPool, function: int) -> Process:
    """A new process of a function, busy."""
    pool.claim(function)
    return Process()


def idle(pool: ProcessPool, function: int) -> Process:
    process = started(pool, function)
    pool.keep(function, process)
    return process


def test_a_function_gets_its_own_process_that_was_used_last():
    pool = ProcessPool(3)
    idle(pool, 1)
    last, _ = idle(pool, 1), idle(pool, 2)

    assert pool.take(1) is last
    assert pool.take(3) is None


def test_a_process_that_has_died_is_not_given_and_its_place_is_free():
    pool = ProcessPool(1)
    idle(pool, 1).alive = False

    assert pool.take(1, patiently=True) is None
    assert started(pool, 2).alive


def test_who_finds_all_busy_gets_the_first_that_is_idle_again():
    pool = ProcessPool(2, patience_seconds=LONG)
    process = started(pool, 1)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(pool.take(1, patiently=True)))
    thread.start()

    pool.keep(1, process)

    thread.join(LONG)
    assert got == [process]


def test_patience_ends_and_ends_at_once_where_the_function_has_no_process():
    pool = ProcessPool(2, patience_seconds=0.1)
    started(pool, 1)

    assert pool.take(1, patiently=True) is None

    patient = ProcessPool(2, patience_seconds=LONG)
    begin = time.monotonic()
    assert patient.take(1, patiently=True) is None
    assert time.monotonic() - begin < LONG / 2


def test_who_waits_for_the_last_process_of_a_function_hears_of_its_death():
    pool = ProcessPool(2, patience_seconds=LONG)
    started(pool, 1)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(pool.take(1, patiently=True)))
    thread.start()

    pool.release(1)

    eventually(lambda: not thread.is_alive(), "the end of the wait")
    assert got == [None]


def test_the_longest_idle_one_makes_room_whichever_function_it_is_of():
    pool = ProcessPool(2)
    first, second = idle(pool, 1), idle(pool, 2)

    started(pool, 3)

    assert (first.alive, second.alive) == (False, True)
    assert pool.take(1, patiently=True) is None


def test_where_all_are_busy_there_is_no_room():
    pool = ProcessPool(1)
    started(pool, 1)

    with pytest.raises(AllBusyError):
        pool.claim(2)
