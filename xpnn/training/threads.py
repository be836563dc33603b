"""How many threads the matrix products of a small network take: one.

A product of a batch of 256 rows with a layer of 128 is done in 50 µs, and dividing it costs as much as it saves. Where
other programs want the processors too, the threads wait for one another, and a training that takes 10 s on one thread
was measured to take 200 s on two. On one thread the numbers do not depend on how many processors a machine has, either.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["few_threads"]

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LARGE = 2**26  # multiply-adds in a layer's product from which on several threads pay, about 1.5 ms on one


@contextmanager
def few_threads(batch_size: int, widest: int) -> Iterator[None]:
    """Inside, products take one thread, unless the layers are large or the environment names a number.

    Nothing changes where threadpoolctl is not installed.

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
    with threadpool_limits(limits=1, user_api="blas"):
        yield
