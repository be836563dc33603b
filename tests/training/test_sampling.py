"""Orders of rows: every row once, the shares asked for, and a function of seed and epoch."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnn.arrays.random import permutation
from xpnn.training.sampling import (
    POOL,
    block_groups,
    by_length,
    drawn,
    permuted,
    shuffled,
    shuffled_blocks,
    sorting_order,
    stratified,
)

COUNTS, SEEDS = st.integers(1, 200), st.integers(0, 99)


def is_of_all(order, count):
    return order.dtype == numpy.int64 and sorted(order.tolist()) == list(range(count))


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3) | st.integers(2**60, 2**60 + 9), max_size=60))
def test_words_are_sorted_as_numpy_does_stably(words):
    words = numpy.asarray(words, dtype=numpy.uint64)
    numpy.testing.assert_array_equal(sorting_order(words), numpy.argsort(words, kind="stable"))


@pytest.mark.parametrize("count", [0, 1, 2, 1000, 100_000])
def test_permutations_are_those_of_the_random_numbers(count):
    found = permuted(count, seed=7, stream="shuffle", step=2)
    assert found.dtype == numpy.int64
    numpy.testing.assert_array_equal(found, permutation(count, seed=7, stream="shuffle", step=2))


@given(COUNTS, st.integers(1, 50), st.integers(1, 9), SEEDS)
def test_shuffled_blocks_hold_every_row_once_group_by_group(count, block, group, seed):
    order = shuffled_blocks(count, block, group, seed=seed, epoch=1)
    assert is_of_all(order, count)
    groups = block_groups(count, block, group, seed=seed, epoch=1)
    assert sorted(numpy.concatenate(groups).tolist()) == list(range(-(-count // block)))
    filled = 0
    for blocks in groups:
        rows = numpy.concatenate([numpy.arange(n * block, min((n + 1) * block, count)) for n in blocks])
        assert sorted(order[filled : filled + len(rows)].tolist()) == sorted(rows.tolist())
        filled += len(rows)


def test_rows_of_blocks_are_mixed_and_blocks_are_too():
    order = shuffled_blocks(10_000, 10, 20, seed=0, epoch=0)
    together = order[:200]  # of 20 blocks out of 1000
    assert len(set((together // 10).tolist())) == 20
    assert abs(numpy.corrcoef(numpy.arange(10_000), order)[0, 1]) < 0.05  # 5 times what chance gives
    assert abs(numpy.corrcoef(together[1:], together[:-1])[0, 1]) < 0.25  # blocks of neighbours, unshuffled, give 0.9


def test_rows_are_drawn_as_often_as_their_weights_say():
    weights = numpy.asarray([0.0, 1.0, 2.0, 0.0, 5.0, 0.0])
    counts = numpy.bincount(drawn(numpy.cumsum(weights), 80_000, seed=1, epoch=0), minlength=6)
    assert counts[[0, 3, 5]].tolist() == [0, 0, 0]
    numpy.testing.assert_allclose(counts[[1, 2, 4]], [10_000, 20_000, 50_000], atol=600)  # 4 standard deviations


def test_a_row_of_weight_0_is_not_drawn_at_a_border(monkeypatch):
    monkeypatch.setattr("xpnn.training.sampling.uniform", lambda count, **when: numpy.asarray([0.0, 0.25, 1 - 2**-53]))
    assert drawn(numpy.cumsum([0.0, 1.0, 0.0, 3.0, 0.0]), 3, seed=0, epoch=0).tolist() == [1, 3, 3]


def test_the_first_draws_do_not_depend_on_how_many():
    sums = numpy.cumsum(numpy.arange(50.0))
    assert drawn(sums, 10, seed=3, epoch=2).tolist() == drawn(sums, 90, seed=3, epoch=2)[:10].tolist()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200), st.integers(1, 40), SEEDS)
def test_batches_by_length_hold_every_row_once_and_are_runs_of_sorted_lengths(lengths, batch_size, seed):
    lengths = numpy.asarray(lengths)
    order = by_length(lengths, batch_size, seed=seed, epoch=0)
    assert is_of_all(order, len(lengths))
    if len(lengths) <= POOL * batch_size:  # one pool: put back in order, the batches are the sorted lengths
        full = len(lengths) // batch_size * batch_size
        batches = lengths[order[:full]].reshape(-1, batch_size)
        batches = batches[numpy.lexsort((batches[:, -1], batches[:, 0]))].reshape(-1)
        assert [*batches, *lengths[order[full:]]] == sorted(lengths.tolist())


def test_padding_shrinks_but_batches_come_in_random_order():
    lengths = numpy.random.default_rng(0).integers(1, 200, 5000)

    def waste(order):
        batches = lengths[order[: 5000 // 50 * 50]].reshape(-1, 50)
        return 1 - lengths.sum() / (batches.max(axis=1) * 50).sum()

    order = by_length(lengths, 50, seed=0, epoch=0)
    assert waste(order) < 0.05 < 0.4 < waste(shuffled(5000, seed=0, epoch=0))
    longest = lengths[order].reshape(-1, 50).max(axis=1)
    assert abs(numpy.corrcoef(longest[1:], longest[:-1])[0, 1]) < 0.3  # 3 standard deviations
    ascending = by_length(lengths, 50, seed=0, epoch=0, shuffle=False)
    assert lengths[ascending].tolist() == sorted(lengths.tolist())


@given(st.lists(st.integers(0, 4), min_size=1, max_size=150), SEEDS)
def test_up_to_any_row_each_class_has_its_share(classes, seed):
    classes = numpy.unique(classes, return_inverse=True)[1]
    order = stratified(classes, seed=seed, epoch=0)
    assert is_of_all(order, len(classes))
    kinds = numpy.bincount(classes)
    met = numpy.cumsum(numpy.eye(len(kinds))[classes[order]], axis=0)
    wanted = numpy.arange(1, len(classes) + 1)[:, None] * kinds / len(classes)
    assert numpy.abs(met - wanted).max() <= len(kinds)  # each class is off by one at most at its own places


def test_rows_of_a_class_come_in_random_order():
    classes = numpy.repeat([0, 1], 50)
    order = stratified(classes, seed=0, epoch=0)
    rows = order[classes[order] == 0]
    assert rows.tolist() != sorted(rows.tolist())


@pytest.mark.parametrize(
    "order",
    [
        lambda **when: shuffled(50, **when),
        lambda **when: shuffled_blocks(50, 4, 3, **when),
        lambda **when: drawn(numpy.arange(1.0, 51.0), 50, **when),
        lambda **when: by_length(numpy.arange(50) % 7, 4, **when),
        lambda **when: stratified(numpy.arange(50) % 3, **when),
    ],
    ids=["shuffled", "blocks", "drawn", "by length", "stratified"],
)
def test_seed_and_epoch_decide_the_order(order):
    found = [order(seed=seed, epoch=epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len({tuple(rows) for rows in found}) == 4
    assert found == [order(seed=seed, epoch=epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))]
