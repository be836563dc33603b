"""Numbers that are drawn on the host."""

import numpy

from cupy._calls import from_host, moved, on_device

_generator = numpy.random.default_rng()


def _on_device(x, dtype):
    return on_device(moved(from_host(x, dtype)))


def standard_normal(size=None, dtype=float):
    return _on_device(_generator.standard_normal(size), dtype)


def random(size=None, dtype=float):
    return _on_device(_generator.random(size), dtype)


def randint(low, high=None, size=None, dtype=int):
    return _on_device(_generator.integers(low, high, size), dtype)
