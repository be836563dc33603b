"""Batches of a loader: which rows, in which order, with any number of workers; and what goes wrong, by its name."""

import gc
import threading

import numpy
import pytest
from elsewhere import EVERYWHERE

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.training import Loader, Samples, Trainer, batch_indices, padded

X, T, W = numpy.arange(206.0).reshape(103, 2), numpy.arange(103), numpy.arange(103.0) / 7
ANY_WORKERS = pytest.mark.parametrize("workers", [0, 1, 3])


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("xpnn-loader")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    assert threads() == []


def targets(batches):
    return [batch[1].tolist() for batch in batches]


# Which rows


@ANY_WORKERS
@pytest.mark.parametrize("batch_size", [1, 10, 103, 500])
def test_batches_are_those_of_a_trainer_on_arrays(workers, batch_size):
    loader = Loader(X, T, batch_size=batch_size, seed=5, workers=workers)
    for epoch in (0, 3):
        expected = list(batch_indices(103, batch_size, seed=5, epoch=epoch))
        for (x, t), rows in zip(loader.batches(epoch), expected, strict=True):
            numpy.testing.assert_array_equal(x, X[rows])
            numpy.testing.assert_array_equal(t, rows)
    assert targets(loader) == targets(loader.batches(0))


ANY_WAY = pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": False},
        {"shuffle": "blocks"},
        {"lengths": T % 7},
        {"stratify": T % 3},
        {"sampling_weight": T},
        {"batches_per_epoch": 7},
        {"drop_last": True},
        {"transform": lambda x, t, random: (x, t + random.integers(1000))},
        {"collate": lambda samples: (len(samples), numpy.asarray([t for _, t in samples]))},
    ],
    ids=lambda options: next(iter(options), "shuffled"),
)


@ANY_WORKERS
@ANY_WAY
def test_an_epoch_can_be_entered_at_any_batch(workers, options):
    loader = Loader(X, T, batch_size=10, seed=5, workers=workers, **options)
    whole = targets(Loader(X, T, batch_size=10, seed=5, **options).batches(2))
    assert len(whole) == len(loader)
    for start in (0, 1, 6, len(whole)):
        assert targets(loader.batches(2, start)) == whole[start:]


@ANY_WORKERS
def test_epochs_of_few_batches_go_on_through_all_rows(workers):
    loader = Loader(X, T, batch_size=10, batches_per_epoch=7, workers=workers)
    found = [batch for epoch in range(22) for batch in targets(loader.batches(epoch))]
    assert found == [batch for epoch in range(14) for batch in targets(Loader(X, T, batch_size=10).batches(epoch))]


def test_batches_are_the_callers_own():
    for batch_size in (10, 103):
        for x, t in Loader(X, T, batch_size=batch_size, shuffle=False):
            x[:], t[:] = -1, -1
    assert X.min() == T.min() == 0


# Trees, weights, samples


@ANY_WORKERS
def test_trees_keep_their_shape(workers):
    x = {"a": X, "b": (T, [X[:, 0], X[:, 1]])}
    loader = Loader(x, (T, W), sample_weight=W, batch_size=10, workers=workers)
    assert loader.rows == 103
    for x, (t, u), w in loader:
        assert list(x) == ["a", "b"]
        assert type(x["b"]) is tuple
        assert type(x["b"][1]) is list
        for leaf, rows in ((x["a"], X), (x["b"][0], T), (x["b"][1][1], X[:, 1]), (u, W), (w, W)):
            numpy.testing.assert_array_equal(leaf, rows[t])


def test_inputs_may_come_without_targets():
    batches = list(Loader(X, batch_size=100))
    assert [(x.shape, t) for x, t in batches] == [((100, 2), None), ((3, 2), None)]


@ANY_WORKERS
@pytest.mark.parametrize(
    ("x", "t", "w"),
    [
        ([(X[n], n) for n in range(103)], None, None),
        (Samples([{"a": X[n]} for n in range(103)]), T, None),
        ([(X[n], n, W[n]) for n in range(103)], None, None),
        ([(X[n], n) for n in range(103)], None, W),
        (Samples([X[n] for n in range(103)]), Samples(range(103)), W),
        (X, Samples(range(103)), W),
    ],
)
def test_samples_are_stacked(workers, x, t, w):
    weighted = w is not None or (isinstance(x, list) and len(x[0]) == 3)
    for batch in Loader(x, t, sample_weight=w, batch_size=10, workers=workers):
        assert len(batch) == 2 + weighted
        rows = batch[1]
        numpy.testing.assert_array_equal(batch[0]["a"] if isinstance(batch[0], dict) else batch[0], X[rows])
        if weighted:
            numpy.testing.assert_array_equal(batch[2], W[rows])


@ANY_WORKERS
def test_sequences_of_similar_length_are_padded_together(workers):
    sequences = [numpy.full((1 + n % 9, 2), n) for n in range(103)]
    lengths = [len(sequence) for sequence in sequences]
    seen, padding = [], 0
    for (x, mask), t in Loader(sequences, T, lengths=lengths, batch_size=10, workers=workers):
        assert mask.sum(axis=1).tolist() == [lengths[n] for n in t]
        assert x.shape == (*mask.shape, 2)
        assert all((row[keep] == n).all() and not row[~keep].any() for row, keep, n in zip(x, mask, t, strict=True))
        seen += t.tolist()
        padding += (~mask).sum()
    assert sorted(seen) == list(range(103))
    assert padding < 0.15 * sum(lengths)


def test_samples_hold_sequences_too():
    samples = [(numpy.ones(1 + n % 4), n) for n in range(20)]
    for (x, mask), t in Loader(samples, lengths=[len(x) for x, _ in samples], batch_size=5):
        assert x.shape == mask.shape
        assert mask.sum(axis=1).tolist() == (1 + t % 4).tolist()


def test_a_collate_of_ones_own_gets_the_samples_of_a_batch():
    def collate(samples):
        return padded([x for x, _, _ in samples], multiple=8), numpy.asarray([[t, w] for _, t, w in samples])

    sequences = [numpy.ones(1 + n % 4) for n in range(20)]
    for (x, _), tw in Loader(Samples(sequences), T[:20], sample_weight=W[:20], collate=collate, batch_size=5):
        assert x.shape == (5, 8)
        numpy.testing.assert_array_equal(W[tw[:, 0].astype(int)], tw[:, 1])


def test_each_batch_has_the_shares_of_the_whole():
    t = numpy.repeat([0, 1], [90, 10])
    counts = [batch.sum() for _, batch in Loader(t, t, stratify=t, batch_size=20)]
    assert all(1 <= count <= 3 for count in counts)


def test_floats_become_the_dtype_asked_for():
    for x, t in Loader({"a": X, "b": T}, W, dtype="float32"):
        assert (x["a"].dtype, x["b"].dtype, t.dtype) == (numpy.float32, T.dtype, numpy.float32)


# Transforms


@ANY_WORKERS
def test_a_transform_draws_by_seed_epoch_and_batch(workers):
    def noise(x, t, random):
        return x + random.normal(size=x.shape), t

    def found(seed, epoch):
        loader = Loader(X, T, transform=noise, seed=seed, shuffle=False, batch_size=103 // 2, workers=workers)
        return numpy.concatenate([x for x, _ in loader.batches(epoch)]) - X

    first = found(0, 0)
    numpy.testing.assert_array_equal(first, found(0, 0))
    others = [first[:51], first[51:102], found(0, 1)[:51], found(1, 0)[:51]]
    assert len({batch[0, 0] for batch in others}) == 4
    assert abs(first.mean()) < 0.3 < 0.8 < first.std() < 1.2


def test_a_transform_gets_weights_where_there_are_some():
    loader = Loader(X, T, sample_weight=W, transform=lambda x, t, w, random: (x, t, 2 * w), shuffle=False)
    numpy.testing.assert_array_equal(numpy.concatenate([w for _, _, w in loader]), 2 * W)


# Errors


@ANY_WORKERS
@pytest.mark.parametrize("batch_size", [10, 40])
def test_an_error_of_a_transform_names_batch_and_rows(workers, batch_size):
    def broken(x, t, random):
        if 55 in t:
            raise KeyError("oh")
        return x, t

    batches = Loader(X, T, transform=broken, shuffle=False, batch_size=batch_size, workers=workers).batches(4)
    with pytest.raises(KeyError, match="oh") as caught:
        list(batches)
    first = 55 // batch_size * batch_size
    rows = ", ".join(str(first + n) for n in range(5))
    assert caught.value.__notes__ == [
        f"It came up while loading batch {first // batch_size} of epoch 4 (rows {rows}, ...)"
    ]
    assert list(batches) == []


@ANY_WORKERS
def test_an_error_of_a_dataset_names_row_and_batch(workers):
    class Dataset:
        def __len__(self):
            return 20

        def __getitem__(self, n):
            if n == 13:
                raise OSError("no such picture")
            return X[n], n

    batches = iter(Loader(Dataset(), shuffle=False, batch_size=5, workers=workers, ahead=1))
    assert targets([next(batches), next(batches)]) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    with pytest.raises(OSError, match="no such picture") as caught:
        next(batches)
    assert caught.value.__notes__ == [
        "It came from item 13 of Dataset",
        "It came up while loading batch 2 of epoch 0 (rows 10, 11, 12, 13, 14, ...)",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [(None, "got NoneType"), ([X, T], "got list"), ((X,), "got a tuple of 1"), ((X, T, W, W), "got a tuple of 4")],
)
def test_a_transform_gives_a_batch(given, message):
    with pytest.raises(TypeError, match=rf"expected transform to give a tuple \(x, t\) or \(x, t, w\), {message}"):
        next(iter(Loader(X, T, transform=lambda x, t, random: given)))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((X, T[:9]), {}, ValueError, "expected as many rows in t as in x, 103, got 9"),
        (
            ([X, X], T[:9]),
            {},
            ValueError,
            r"as many rows in t as in x\[0\], 103, got 9: a list of arrays is several inputs",
        ),
        (({"a": X, "b": T[:9]},), {}, ValueError, r"expected as many rows in x\['b'\] as in x\['a'\], 103, got 9"),
        ((X, T), {"sample_weight": W[:9]}, ValueError, "expected as many rows in sample_weight as in x, 103, got 9"),
        ((X, T), {"sample_weight": -W}, ValueError, "sample_weight expected finite weights of 0 or more"),
        ((X, T), {"sample_weight": X}, ValueError, r"sample_weight expected shape \(103,\), one value per row, got"),
        (({}, T), {}, ValueError, "x holds no arrays"),
        ((X, numpy.asarray(3.0)), {}, ValueError, r"t expected a row per item, got shape \(\)"),
        ((X, iter(T)), {}, TypeError, "t expected an array, .*got"),
        ((X, T), {"batch_size": 0}, ValueError, "batch_size to be an integer of 1 or more, got 0"),
        ((X, T), {"batch_size": None}, ValueError, "expected batch_size for data with rows"),
        ((X, T), {"workers": -1}, ValueError, "workers to be an integer of 0 or more, got -1"),
        ((X, T), {"ahead": 0}, ValueError, "ahead to be an integer of 1 or more, got 0"),
        ((X, T), {"batches_per_epoch": 0}, ValueError, "batches_per_epoch to be an integer of 1 or more, got 0"),
        ((X, T), {"shuffle": "rows"}, ValueError, "shuffle to be True, False or \"blocks\", got 'rows'"),
        ((X, T), {"transform": 3}, TypeError, "expected transform to be a function, got int"),
        ((X, T), {"collate": "x"}, TypeError, "expected collate to be a function, got str"),
        ((X, T), {"dtype": "float16"}, ValueError, "Loader expected dtype 'float32' or 'float64', got 'float16'"),
        ((X, T), {"seed": -1}, ValueError, "seed to be from 0"),
        (([(X[0], 0)],), {"shuffle": "blocks"}, ValueError, "needs arrays, whose rows are of equal size"),
    ],
)
def test_bad_data_and_options_are_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        Loader(*arguments, **options)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((-1, 0), "epoch to be an integer of 0"),
        ((0, -1), "start to be an integer of 0"),
        ((0, 5), "start to be 4 at most"),
    ],
)
def test_a_bad_place_is_refused_at_once(place, message):
    with pytest.raises(ValueError, match=message):
        Loader(X, T).batches(*place)


# Threads


@pytest.mark.parametrize("data", [(X, T), (lambda: zip(X, T, strict=True),)])
@pytest.mark.parametrize("end", ["close", "drop", "error"])
def test_threads_end_with_the_iterator(data, end):
    batches = iter(Loader(*data, batch_size=1, workers=2, transform=lambda x, t, random: (x, t)))
    next(batches)
    assert threads()
    if end == "close":
        batches.close()
    elif end == "error":
        with pytest.raises(ZeroDivisionError):
            consume(batches)
    del batches
    assert threads() == []


def consume(batches):
    for _ in batches:
        raise ZeroDivisionError


def test_iterators_do_not_disturb_each_other():
    loader = Loader(X, T, batch_size=10, workers=1)
    both = [(a.tolist(), b.tolist()) for (_, a), (_, b) in zip(loader.batches(0), loader.batches(1), strict=True)]
    assert [a for a, _ in both] == targets(loader.batches(0))
    assert [b for _, b in both] == targets(loader.batches(1))


# In a Trainer


def trained(place, *data, **options):
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).initialize(seed=0).to(place)
    trainer = Trainer(model, nn.squared_error, optim.Adam(model), seed=3)
    trainer.fit(*data, epochs=2, **options)
    return [to_host(parameter) for parameter in model.parameters()]


@EVERYWHERE
def test_a_trainer_learns_the_same_from_a_loader_as_from_arrays(place):
    x, t = (X / 100).astype("float32"), (X[:, :1] / 50).astype("float32")
    expected = trained(place, x, t, batch_size=10)
    for workers in (0, 2):
        found = trained(place, Loader(x, t, batch_size=10, seed=3, workers=workers))
        for ours, theirs in zip(found, expected, strict=True):
            numpy.testing.assert_array_equal(ours, theirs)


def test_a_trainer_learns_from_an_iterator_that_can_be_read_once():
    def endless():
        while True:
            yield from zip((X / 100).astype("float32"), (X[:, :1] / 50).astype("float32"), strict=True)

    x, t = (X / 100).astype("float32"), (X[:, :1] / 50).astype("float32")
    place = xpnn.device("cpu")
    expected = trained(place, Loader(x, t, batch_size=103, shuffle=False))
    found = trained(place, Loader(endless(), batch_size=103, batches_per_epoch=1, workers=1))
    for ours, theirs in zip(found, expected, strict=True):
        numpy.testing.assert_array_equal(ours, theirs)
