"""The options that decide the order of rows: cut into batches, checked, described."""

import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnn.training import Loader
from xpnn.training.order import BLOCK, GROUP, Order

ROWS = numpy.arange(20)


def order(rows=20, batch_size=6, shuffle=True, seed=0, **options):
    return Order(rows, batch_size=batch_size, shuffle=shuffle, seed=seed, **options)


def batches(order, epoch=0, start=0):
    return [rows.tolist() for rows in order.batches(epoch, start)]


@given(st.integers(1, 90), st.integers(1, 30), st.booleans(), st.none() | st.integers(1, 20), st.integers(0, 3))
def test_batches_are_cut_from_passes_through_all_rows(rows, batch_size, drop_last, per_epoch, epoch):
    if drop_last and batch_size > rows:
        with pytest.raises(ValueError, match=f"drop_last of {rows} rows in batches of {batch_size} leaves no batch"):
            order(rows, batch_size, drop_last=True)
        return
    cut = order(rows, batch_size, drop_last=drop_last, batches_per_epoch=per_epoch)
    whole = order(rows, batch_size, drop_last=drop_last)
    found = batches(cut, epoch)
    assert len(found) == len(cut) == (per_epoch or len(whole))
    endless = [batch for number in range((epoch + 1) * len(cut)) for batch in batches(whole, number)]
    assert found == endless[epoch * len(cut) : (epoch + 1) * len(cut)]
    sizes = [len(batch) for batch in batches(whole)]
    assert set(sizes[:-1]) <= {batch_size}
    assert sum(sizes) == (rows // batch_size * batch_size if drop_last else rows)


def test_rows_in_their_own_order():
    assert batches(order(7, 3, shuffle=False), 5) == [[0, 1, 2], [3, 4, 5], [6]]


def test_weights_draw_as_many_rows_as_an_epoch_holds():
    drawn = order(20, 6, sampling_weight=ROWS % 2)
    assert [len(rows) for rows in batches(drawn)] == [6, 6, 6, 2]
    assert {row % 2 for rows in batches(drawn) for row in rows} == {1}
    many = order(20, 6, sampling_weight=ROWS % 2, batches_per_epoch=9)
    assert [len(rows) for rows in batches(many)] == [6] * 9
    assert batches(many)[:3] == batches(drawn)[:3]
    assert batches(many) != batches(many, 1)


def test_a_pass_is_put_in_order_once(monkeypatch):
    made = []
    monkeypatch.setattr("xpnn.training.order.shuffled", lambda rows, **when: made.append(when["epoch"]) or ROWS)
    cut = order(20, 5, batches_per_epoch=2)
    for epoch in range(4):
        batches(cut, epoch)
    assert made == [0, 1]


def test_blocks_are_of_so_many_bytes_and_the_next_ones_are_known():
    rows = 4 * GROUP * 2 + 3
    shuffled = order(rows, 7, "blocks", bytes_per_row=BLOCK // 4)
    assert shuffled.block == 4
    assert order(rows, 7, "blocks", bytes_per_row=BLOCK * 9).block == 1
    groups = [shuffled.group_of(0, number) for number in range(len(shuffled))]
    assert [of_pass for of_pass, _ in groups] == [0] * len(shuffled)
    assert [group for _, group in groups] == sorted(group for _, group in groups)
    for number, rows_of_batch in enumerate(shuffled.batches(0, 0)):
        wanted = [row for part in shuffled.blocks(*groups[number]) for s in part for row in range(s.start, s.stop)]
        assert set(rows_of_batch.tolist()) <= set(wanted)
    assert shuffled.blocks(0, 2)[1] == []  # nothing comes after the last
    parts = [s for group in range(3) for s in shuffled.blocks(0, group)[0]]
    assert sorted(row for s in parts for row in range(s.start, s.stop)) == list(range(rows))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"sampling_weight": [1.0]},
            ValueError,
            r"sampling_weight expected shape \(20,\), one value per row, got \(1,\)",
        ),
        ({"sampling_weight": -ROWS}, ValueError, "sampling_weight expected finite weights of 0 or more"),
        ({"sampling_weight": ROWS * 0}, ValueError, "that are not all 0"),
        ({"sampling_weight": ROWS * numpy.nan}, ValueError, "sampling_weight expected finite weights"),
        ({"sampling_weight": ["a"] * 20}, TypeError, "sampling_weight expected numbers, got a list of str"),
        ({"lengths": ["a"] * 20}, TypeError, "lengths expected numbers, got a list of str"),
        ({"lengths": [[1]] * 20}, ValueError, r"lengths expected shape \(20,\), one value per row, got \(20, 1\)"),
        ({"stratify": [1, 2]}, ValueError, r"stratify expected shape \(20,\), one value per row, got \(2,\)"),
        ({"stratify": ROWS, "lengths": ROWS}, ValueError, "one way to choose the order, got lengths and stratify"),
        ({"sampling_weight": ROWS, "shuffle": "blocks", "bytes_per_row": 4}, ValueError, 'weight and shuffle="blocks"'),
        (
            {"sampling_weight": ROWS, "shuffle": False},
            ValueError,
            r"cannot keep .* \(shuffle=False\) with sampling_weight",
        ),
        ({"stratify": ROWS, "shuffle": False}, ValueError, r"cannot keep .* \(shuffle=False\) with stratify"),
        ({"shuffle": "blocks"}, ValueError, 'shuffle="blocks" needs arrays, whose rows are of equal size'),
        ({"seed": -1}, ValueError, "seed to be from 0"),
        ({"seed": 1.5}, TypeError, "seed to be an integer, got 1.5"),
    ],
)
def test_what_does_not_go_together_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        order(**options)


def test_labels_may_be_words_and_columns_of_tables():
    pandas = pytest.importorskip("pandas")
    words = pandas.Series(["a", "b"] * 10)
    assert (
        batches(order(stratify=words)) == batches(order(stratify=words.tolist())) == batches(order(stratify=ROWS % 2))
    )
    weights = pandas.Series(ROWS)
    assert batches(order(sampling_weight=weights)) == batches(order(sampling_weight=ROWS))


def test_the_description_changes_with_all_that_decides_the_order():
    x = numpy.zeros((20, 3))
    loaders = [
        Loader(x, batch_size=4),
        Loader(x[:19], batch_size=4),
        Loader(x, batch_size=5),
        Loader(x, batch_size=4, seed=1),
        Loader(x, batch_size=4, shuffle=False),
        Loader(x, batch_size=4, shuffle="blocks"),
        Loader(x.astype("float32"), batch_size=4, shuffle="blocks"),
        Loader(x, batch_size=4, drop_last=True),
        Loader(x, batch_size=4, batches_per_epoch=3),
        Loader(x, batch_size=4, lengths=ROWS),
        Loader(x, batch_size=4, lengths=ROWS[::-1]),
        Loader(x, batch_size=4, stratify=ROWS % 2),
        Loader(x, batch_size=4, sampling_weight=ROWS),
    ]
    descriptions = [json.dumps(loader.describe()) for loader in loaders]
    assert len(set(descriptions)) == len(loaders)
    assert all(json.loads(text) == loader.describe() for text, loader in zip(descriptions, loaders, strict=True))
    assert Loader(x, batch_size=4, workers=2, ahead=9).describe() == loaders[0].describe()
