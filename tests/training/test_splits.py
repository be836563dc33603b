"""Splits and folds: every row once, shares as nearly as whole rows allow, and groups never cut."""

import array_api_strict
import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from xpnn.training import k_fold, split

# Splits


def test_parts_hold_all_rows_once_and_belong_together():
    x, t, names = numpy.arange(20.0).reshape(10, 2), numpy.arange(10), numpy.asarray(list("abcdefghij"))
    x_large, x_small, t_large, t_small, names_large, names_small = split(x, t, names, fraction=0.3, seed=1)
    assert (len(t_large), len(t_small)) == (7, 3)
    assert sorted([*t_large, *t_small]) == list(range(10))
    for rows, part_x, part_names in ((t_large, x_large, names_large), (t_small, x_small, names_small)):
        numpy.testing.assert_array_equal(part_x, x[rows])
        numpy.testing.assert_array_equal(part_names, names[rows])
    assert x_small.dtype == x.dtype


def test_a_seed_decides_the_split_and_the_pinned_one_stays():
    t = numpy.arange(8)
    assert [part.tolist() for part in split(t, fraction=0.25, seed=5)] == [
        part.tolist() for part in split(t, fraction=0.25, seed=5)
    ]
    assert len({tuple(split(t, fraction=0.5, seed=seed)[1].tolist()) for seed in range(20)}) > 10


def test_parts_are_copies_in_random_order():
    t = numpy.arange(100)
    large, small = split(t)
    large[0] = small[0] = -1
    assert t.min() == 0
    assert large[1:].tolist() != sorted(large[1:].tolist())
    assert small[1:].tolist() != sorted(small[1:].tolist())


@given(st.integers(2, 40), st.floats(0.01, 0.99), st.integers(0, 99))
def test_the_small_part_has_its_share_of_rows(count, fraction, seed):
    expected = round(count * fraction)
    if not 0 < expected < count:
        with pytest.raises(ValueError, match=f"split of {count} rows by {fraction} would leave a part empty"):
            split(numpy.arange(count), fraction=fraction, seed=seed)
        return
    large, small = split(numpy.arange(count), fraction=fraction, seed=seed)
    assert (len(large), len(small)) == (count - expected, expected)
    assert sorted([*large, *small]) == list(range(count))


@pytest.mark.parametrize("kind", [numpy.asarray, list, lambda t: numpy.asarray(t).astype(str), lambda t: t / 2])
def test_each_class_is_divided_by_the_same_share(kind):
    t = numpy.repeat([0, 1, 2], [60, 30, 10])
    rows = numpy.arange(100)
    large, small, t_large, t_small = split(rows, t, fraction=0.2, stratify=kind(t), seed=2)
    assert numpy.bincount(t_small).tolist() == [12, 6, 2]
    assert numpy.bincount(t_large).tolist() == [48, 24, 8]
    assert sorted([*large, *small]) == list(range(100))
    assert t_small.tolist() != sorted(t_small.tolist())  # not class by class


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.floats(0.05, 0.95), st.integers(0, 99))
def test_a_stratified_part_has_its_share_in_all_and_less_than_a_row_beside_it_of_each_class(sizes, fraction, seed):
    t = numpy.repeat(numpy.arange(len(sizes)), sizes)
    assume(0 < round(len(t) * fraction) < len(t))
    _, small = split(t, fraction=fraction, stratify=t, seed=seed)
    assert len(small) == round(len(t) * fraction)
    found = numpy.bincount(small, minlength=len(sizes))
    assert (numpy.abs(found - numpy.asarray(sizes) * fraction) < 1).all()


@pytest.mark.parametrize("each", [1, 2, 3])
def test_which_of_equal_classes_gives_a_row_more_is_drawn(each):
    t = numpy.repeat(numpy.arange(10), each)
    parts = [split(t, stratify=t, seed=seed)[1] for seed in range(20)]
    assert {len(part) for part in parts} == {2 * each}
    assert {numpy.bincount(part).max() for part in parts} == {1}
    assert {label for part in parts for label in part.tolist()} == set(range(10))


def test_a_stratified_split_is_decided_by_the_seed():
    t = numpy.repeat([0, 1], 50)
    rows = numpy.arange(100)
    parts = [split(rows, stratify=t, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


def test_missing_labels_are_a_class_of_their_own():
    t = numpy.asarray([0.0, numpy.nan] * 10)
    assert numpy.isnan(split(t, fraction=0.5, stratify=t)[1]).sum() == 5


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ((), {}, ValueError, "at least one array"),
        (([1, 2],), {}, TypeError, "NumPy arrays with a row per item, got list$"),
        ((array_api_strict.ones(3),), {}, TypeError, "got Array$"),
        ((numpy.asarray(1.0),), {}, TypeError, r"got ndarray of shape \(\)"),
        ((numpy.ones(3), numpy.ones(4)), {}, ValueError, r"equal length, got lengths \[3, 4\]"),
        ((numpy.ones(3),), {"stratify": [0, 1]}, ValueError, r"equal length, got lengths \[2, 3\]"),
        ((numpy.ones(3),), {"stratify": numpy.ones((3, 2))}, ValueError, r"one label per row, got shape \(3, 2\)"),
        ((numpy.ones(3),), {"groups": [0, 1]}, ValueError, r"equal length, got lengths \[2, 3\]"),
        ((numpy.ones(3),), {"groups": numpy.ones((3, 2))}, ValueError, r"groups to hold one value per row, got shape"),
        ((numpy.ones(3),), {"groups": [5, 5, 5]}, ValueError, "split of 3 rows by 0.2 would leave a part empty"),
        ((numpy.ones(3),), {"stratify": 3}, ValueError, r"one label per row, got shape \(\)"),
        ((numpy.ones(3),), {"fraction": 0}, ValueError, "fraction between 0 and 1, got 0"),
        ((numpy.ones(3),), {"fraction": 1.0}, ValueError, "fraction between 0 and 1, got 1.0"),
        ((numpy.ones(3),), {"fraction": float("nan")}, ValueError, "fraction between 0 and 1, got nan"),
        ((numpy.ones(3),), {"fraction": "0.2"}, ValueError, "fraction between 0 and 1, got '0.2'"),
        ((numpy.ones(0),), {}, ValueError, "split of 0 rows by 0.2 would leave a part empty"),
        ((numpy.ones(2),), {}, ValueError, "split of 2 rows by 0.2 would leave a part empty"),
        ((numpy.ones(2),), {"stratify": [0, 1]}, ValueError, "split of 2 rows by 0.2 would leave"),
        ((numpy.ones(9),), {"seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_splits_are_refused(arrays, options, error, message):
    with pytest.raises(error, match=message):
        split(*arrays, **options)


def grouped(count, kinds, seed):
    """Groups of 1 to 9 rows, and a class for each row, which depends on the group."""
    generator = numpy.random.default_rng(seed)
    groups = generator.permutation(numpy.repeat(numpy.arange(count), generator.integers(1, 10, count)))
    return groups, (groups + generator.integers(0, 2, len(groups))) % kinds


@given(st.integers(2, 30), st.floats(0.05, 0.95), st.integers(0, 99))
def test_groups_are_never_cut_and_the_share_is_as_near_as_the_groups_left_allow(count, fraction, seed):
    groups, _ = grouped(count, 2, seed)
    rows = numpy.arange(len(groups))
    sizes = numpy.bincount(groups)
    assume(max(sizes) / 2 < fraction * len(rows) < len(rows) - max(sizes) / 2)  # else a part may be empty
    large, small = split(rows, fraction=fraction, seed=seed, groups=groups)
    assert sorted([*large, *small]) == rows.tolist()
    assert not set(groups[large]) & set(groups[small])
    missing = fraction * len(rows) - len(small)
    assert missing <= min(sizes[groups[large]]) / 2 + 1e-9  # no group left out would bring it nearer
    assert -missing <= max(sizes[groups[small]]) / 2 + 1e-9  # nor any that was taken when it did not


def test_shares_of_classes_are_kept_where_groups_allow():
    groups = numpy.repeat(numpy.arange(100), 10)
    t = numpy.where(groups < 20, 1, 0)  # whole groups are of one class: 20 and 80
    for seed in range(5):
        _, small = split(t, fraction=0.25, seed=seed, stratify=t, groups=groups)
        assert numpy.bincount(small).tolist() == [200, 50]
    sizes = {split(t, fraction=0.25, seed=seed, groups=groups)[1].sum() for seed in range(9)}
    assert len(sizes) > 1  # by chance otherwise


def test_the_seed_decides_which_groups_and_rows_are_shuffled():
    groups = numpy.repeat(numpy.arange(20), 5)
    rows = numpy.arange(100)
    parts = [split(rows, seed=seed, groups=groups)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    assert parts[0] != sorted(parts[0])
    assert set(groups[parts[0]]) != set(groups[parts[2]])


# Folds


def assert_is_a_partition(folds, count):
    assert sorted(numpy.concatenate([test for _, test in folds]).tolist()) == list(range(count))
    for train, test in folds:
        assert numpy.union1d(train, test).tolist() == list(range(count))
        assert len(train) + len(test) == count
        assert test.tolist() == sorted(test)
        assert train.tolist() == sorted(train)


@given(st.integers(2, 60), st.integers(2, 9), st.integers(0, 99), st.integers(1, 6))
def test_folds_and_the_classes_in_them_differ_by_one_row_at_most(count, folds, seed, kinds):
    if folds > count:
        with pytest.raises(ValueError, match=f"k_fold of {count} rows cannot make {folds} folds"):
            k_fold(count, folds)
        return
    labels = numpy.random.default_rng(seed).integers(0, kinds, count)
    for found in (k_fold(count, folds, seed=seed), k_fold(count, folds, seed=seed, stratify=labels)):
        assert len(found) == folds
        assert_is_a_partition(found, count)
        sizes = [len(test) for _, test in found]
        assert max(sizes) - min(sizes) <= 1
    classes = numpy.asarray([numpy.bincount(labels[test], minlength=kinds) for _, test in found])
    assert (classes.max(axis=0) - classes.min(axis=0)).max() <= 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stratified", [False, True])
def test_groups_are_in_one_fold_each(seed, stratified):
    groups, t = grouped(60, 3, seed)
    found = k_fold(len(t), 5, seed=seed, groups=groups, stratify=t if stratified else None)
    assert_is_a_partition(found, len(t))
    assert all(not set(groups[train]) & set(groups[test]) for train, test in found)
    sizes = [len(test) for _, test in found]
    assert max(sizes) - min(sizes) <= 1  # there are enough small groups to fill up with


def test_classes_of_whole_groups_are_spread_as_evenly_as_scikit_learn_does():
    ours = theirs = 0.0
    for seed in range(8):
        groups, t = grouped(60, 3, seed)
        ours += unevenness(t, [test for _, test in k_fold(len(t), 5, groups=groups, stratify=t)])
        theirs += unevenness(t, [test for _, test in StratifiedGroupKFold(5).split(t, t, groups)])
    assert ours <= theirs
    assert ours / 8 < 0.02  # of each class a fifth in a fold, give or take


def unevenness(t, parts):
    """How far the folds' shares of the classes are from one another."""
    counts = numpy.asarray([numpy.bincount(t[part], minlength=3) for part in parts])
    return (counts / counts.sum(axis=0)).std(axis=0).sum()


def test_the_seed_decides_the_folds():
    groups = numpy.repeat(numpy.arange(20), 5)
    for options in ({}, {"stratify": groups % 2}, {"groups": groups}, {"groups": groups, "stratify": groups % 2}):
        tests = [[test.tolist() for _, test in k_fold(100, 5, seed=seed, **options)] for seed in (0, 0, 1)]
        assert tests[0] == tests[1] != tests[2]


def test_labels_and_groups_may_be_words():
    names = numpy.asarray(["ann", "bob", "ann", "cid"])
    for train, test in k_fold(4, 3, groups=names, stratify=names.tolist()):
        assert not set(names[train]) & set(names[test])


def test_rows_in_place_of_their_number_are_not_shown():
    with pytest.raises(TypeError, match=r"k_fold expected how many rows there are, as len\(x\) says, got ndarray$"):
        k_fold(numpy.zeros(3), 3)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 2), {}, "expected n to be an integer of 1 or more, got 0"),
        ((5, 1), {}, "expected folds to be an integer of 2 or more, got 1"),
        ((5, 2.0), {}, "expected folds to be an integer of 2 or more, got 2.0"),
        ((3, 4), {}, "k_fold of 3 rows cannot make 4 folds"),
        ((4, 3), {"groups": [0, 0, 1, 1]}, "k_fold of 2 groups cannot make 3 folds"),
        ((4, 2), {"groups": [0, 1]}, "k_fold expected groups to hold 4 values, one per row, got 2"),
        ((4, 2), {"stratify": [0, 1]}, "k_fold expected stratify to hold 4 values, one per row, got 2"),
        ((4, 2), {"stratify": numpy.ones((4, 1))}, r"k_fold expected stratify to hold one label per row, got shape"),
    ],
)
def test_bad_folds_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        k_fold(*arguments, **options)
