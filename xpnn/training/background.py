"""Work done ahead by threads, whose results come in the order of the tasks.

Threads suffice where the work is reading files and copying arrays: NumPy leaves the interpreter to others meanwhile.
At most `ahead` results wait to be fetched, so that a slow consumer does not fill the memory. However many threads
there are, the results are the same and in the same order, and an error comes where its result would have come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order"]

T = TypeVar("T")


def in_order(tasks: Iterable[Callable[[], T]], *, workers: int, ahead: int) -> Generator[T, None, None]:
    """What each of `tasks` gives, in their order; computed by `workers` threads, or here if there are none.

    Tasks are taken from the iterable here, one by one, when there is room. Closing the iterator, dropping it, or an
    error in it or in a task, ends the threads after the task they are at.

    Examples
    --------
    >>> list(in_order([lambda: 1, lambda: 2], workers=2, ahead=4))
    [1, 2]
    """
    if workers == 0:
        for task in tasks:
            yield task()
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="xpnn-loader") as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for task_ahead in waiting:
                task_ahead.cancel()
