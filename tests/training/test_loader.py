"""Batches of a loader: which rows, in which order, with any number of workers."""

import numpy
import pytest

from xpnn.training import Loader, batch_indices

X, T = numpy.arange(206.0).reshape(103, 2), numpy.arange(103)
ANY_WORKERS = pytest.mark.parametrize("workers", [0, 1, 3])


def targets_of(batches):
    return [t.tolist() for _, t in batches]


@ANY_WORKERS
def test_batches_are_those_of_a_trainer_on_arrays(workers):
    loader = Loader(X, T, batch_size=10, seed=5, workers=workers)
    for epoch in (0, 3):
        expected = list(batch_indices(103, 10, seed=5, epoch=epoch))
        for (x, t), rows in zip(loader.batches(epoch), expected, strict=True):
            numpy.testing.assert_array_equal(x, X[rows])
            numpy.testing.assert_array_equal(t, rows)


@ANY_WORKERS
@pytest.mark.parametrize(
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
)
def test_an_epoch_can_be_entered_at_any_batch(workers, options):
    loader = Loader(X, T, batch_size=10, seed=5, workers=workers, **options)
    whole = targets_of(Loader(X, T, batch_size=10, seed=5, **options).batches(2))
    assert len(whole) == len(loader)
    for start in (0, 1, 6, len(whole)):
        assert targets_of(loader.batches(2, start)) == whole[start:]
