"""Runs of elementwise calls block by block: what is the same for each block, and what is not."""

import numpy

import xpnn


def test_rows_and_columns_are_stretched_for_blocks_of_which_the_last_is_smaller():
    def step(x):
        xp = xpnn.namespace_of(x)
        row, column = xp.mean(x, axis=0), xp.sum(x, axis=1, keepdims=True)
        y = xp.exp(x * 0.01) + 1.0
        return (y * row + column) * column - row

    fast = xpnn.compile(step, exact=True)
    generator = numpy.random.default_rng(0)
    for _ in range(5):
        x = generator.standard_normal((300, 1024), dtype="float32")  # four blocks of 64 rows and one of 44
        assert numpy.array_equal(fast(x), step(x))
    assert fast.plan() is not None
