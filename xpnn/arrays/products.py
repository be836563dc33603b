"""Matrix products inside functions that are recorded as one call.

A CUDA graph cannot hold CuPy's own products (see `compiler.cuda_products`), so whoever makes a graph says for that time
by what products are computed. A step's own products are calls of its recording and need nothing of this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of

__all__ = ["product", "products_by"]

_here = threading.local()


def product(a: Array, b: Array) -> Array:
    """`a @ b`.

    Examples
    --------
    >>> import numpy
    >>> product(numpy.ones((2, 3)), numpy.ones(3))
    array([3., 3.])
    """
    by = getattr(_here, "by", None)
    return namespace_of(a, b).matmul(a, b) if by is None else by(a, b, None)


@contextmanager
def products_by(function: Callable[[Any, Any, Any], Any]) -> Iterator[None]:
    """Compute the products of this thread by `function(a, b, out)`, where `out` is None.

    Examples
    --------
    >>> import numpy
    >>> with products_by(lambda a, b, out: "asked"):
    ...     product(numpy.ones(2), numpy.ones(2))
    'asked'
    """
    before = getattr(_here, "by", None)
    _here.by = function
    try:
        yield
    finally:
        _here.by = before
