"""Work ahead by threads: in order, bounded, ended whatever happens."""

import _thread
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, repeat

import pytest

from xpnn.training import background
from xpnn.training.background import in_order

ANY_WORKERS = pytest.mark.parametrize("workers", [0, 1, 4])


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("xpnn-loader")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads() == []


@ANY_WORKERS
@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_results_come_in_the_order_of_the_tasks(workers, ahead):
    assert list(in_order((partial(pow, n, 2) for n in range(50)), workers=workers, ahead=ahead)) == [
        n**2 for n in range(50)
    ]


def test_a_task_that_is_done_first_waits_for_those_before():
    second_done = threading.Event()
    tasks = [lambda: second_done.wait(10) and "first", lambda: second_done.set() or "second"]
    assert list(in_order(tasks, workers=2, ahead=2)) == ["first", "second"]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_tasks_are_taken_than_results_may_wait(workers, ahead):
    drawn = 0

    def tasks():
        nonlocal drawn
        while True:
            drawn += 1
            yield int

    results = in_order(tasks(), workers=workers, ahead=ahead)
    for fetched in range(1, 5):
        next(results)
        assert drawn == fetched + ahead - 1
    results.close()


def test_tasks_run_beside_the_consumer():
    results = in_order([threading.get_ident] * 3, workers=1, ahead=1)
    assert threading.get_ident() not in set(results)
    assert set(in_order([threading.get_ident] * 3, workers=0, ahead=1)) == {threading.get_ident()}


@ANY_WORKERS
def test_an_error_comes_where_its_result_would_have(workers):
    results = in_order([lambda: 1, lambda: 2, lambda: 1 // 0, lambda: 4], workers=workers, ahead=4)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert threads() == []
    assert list(results) == []


@ANY_WORKERS
def test_an_error_of_the_tasks_themselves_ends_the_threads(workers):
    def tasks():
        yield lambda: 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(in_order(tasks(), workers=workers, ahead=3))


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("end", ["close", "drop", "read"])
def test_threads_end_with_the_iterator(workers, end):
    results = in_order([int] * 100, workers=workers, ahead=8)
    next(results)
    assert threads()
    if end == "close":
        results.close()
    elif end == "read":
        assert list(results) == [0] * 99
    else:
        del results
    assert threads() == []


def test_threads_end_at_control_c_while_the_consumer_waits():
    tasks = chain(repeat(int, 20), [_thread.interrupt_main], repeat(int))
    with pytest.raises(KeyboardInterrupt):
        for _ in in_order(tasks, workers=1, ahead=4):
            pass
    assert threads() == []


def test_tasks_that_have_not_begun_are_dropped(monkeypatch):
    begun, go_on = [], threading.Event()

    class Pool(ThreadPoolExecutor):
        def __exit__(self, *error):
            go_on.set()
            return super().__exit__(*error)

    def task(number):
        begun.append(number)
        if number:
            go_on.wait(10)
        return number

    monkeypatch.setattr(background, "ThreadPoolExecutor", Pool)
    results = in_order([partial(task, n) for n in range(9)], workers=1, ahead=9)
    assert next(results) == 0
    results.close()
    assert begun in ([0], [0, 1])
