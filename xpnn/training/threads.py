"""How many threads the matrix products of a small network take: one.

A product of a batch of 256 rows with a layer of 128 is done in 50 µs, and dividing it costs as much as it saves. Where
other programs want the processors too, the threads wait for one another, and a training that takes 10 s on one thread
was measured to take 200 s on two. On one thread the numbers do not depend on how many processors a machine has, either.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["few_threads"]

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LARGE = 2**26  # multiply-adds in a layer's product from which on several threads pay, about 1.5 ms on one


@contextmanager
def few_threads(batch_size: int, widest: int) -> Iterator[None]:
    """Inside, products take one thread, unless the layers are large or the environment names a number.

    The number is one of the whole process: where several threads of a program are inside at once, the first sets it,
    and the last to leave sets it back. Nothing changes where threadpoolctl is not installed.

    Parameters
    ----------
    batch_size, widest
        Rows of a batch, and the product of a layer's two widths, at most.
    """
    if batch_size * widest >= _LARGE or any(name in os.environ for name in _VARIABLES):
        yield
        return
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        yield
        return
    with _INSIDE.lock:
        if not _INSIDE.count:
            _INSIDE.limits = threadpool_limits(limits=1, user_api="blas")
        _INSIDE.count += 1
    try:
        yield
    finally:
        with _INSIDE.lock:
            _INSIDE.count -= 1
            if not _INSIDE.count:
                _INSIDE.limits.restore_original_limits()


class _Inside:
    """Who is inside `few_threads`: how many, and what is set back when the last one leaves."""

    def __init__(self) -> None:
        self.lock, self.count = threading.Lock(), 0
        self.limits: Any = None


_INSIDE = _Inside()
