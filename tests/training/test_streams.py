"""Streams: cut into batches and epochs, entered anywhere, read again where they can be."""

import threading

import numpy
import pytest

from xpnn.training import Loader

ANY_WORKERS = pytest.mark.parametrize("workers", [0, 1, 3])


def numbers(count, first=0):
    for n in range(first, first + count):
        yield numpy.asarray([n, -n]), n


class Again:
    """An iterable that can be read again, and counts how often."""

    def __init__(self, count):
        self.count, self.begun = count, 0

    def __iter__(self):
        self.begun += 1
        return numbers(self.count)


def targets(batches):
    return [t.tolist() for _, t in batches]


@ANY_WORKERS
@pytest.mark.parametrize("stream", [lambda: numbers(7), Again(7), lambda epoch=3: numbers(7)])
def test_every_epoch_reads_a_stream_from_its_start_to_its_end(workers, stream):
    loader = Loader(stream, batch_size=3, workers=workers)
    for epoch in range(3):
        assert targets(loader.batches(epoch)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert targets(loader.batches(1, 2)) == [[6]]
    assert loader.rows is None
    x, _ = next(iter(loader))
    numpy.testing.assert_array_equal(x, [[0, 0], [1, -1], [2, -2]])


def test_a_stream_is_read_by_one_thread():
    threads = set()

    def stream():
        for sample in numbers(200):
            threads.add(threading.get_ident())
            yield sample

    list(Loader(stream, batch_size=1, workers=4, ahead=8))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@ANY_WORKERS
def test_a_function_may_depend_on_the_epoch(workers):
    loader = Loader(lambda epoch: numbers(4, 10 * epoch), batch_size=3, workers=workers)
    assert targets(loader.batches(2)) == [[20, 21, 22], [23]]
    assert targets(loader.batches(2, 1)) == [[23]]
    cut = Loader(lambda epoch: numbers(9, 10 * epoch), batch_size=3, batches_per_epoch=2, workers=workers)
    assert [targets(cut.batches(epoch)) for epoch in (1, 2)] == [
        [[10, 11, 12], [13, 14, 15]],
        [[20, 21, 22], [23, 24, 25]],
    ]


@ANY_WORKERS
@pytest.mark.parametrize("stream", [lambda: numbers(100), numbers(100), Again(100)])
def test_an_endless_stream_goes_on_from_epoch_to_epoch(workers, stream):
    if workers and hasattr(stream, "send"):
        stream = numbers(100)
    loader = Loader(stream, batch_size=2, batches_per_epoch=3, workers=workers)
    assert len(loader) == 3
    assert [targets(loader.batches(epoch)) for epoch in range(3)] == [
        [[6 * epoch + 2 * n, 6 * epoch + 2 * n + 1] for n in range(3)] for epoch in range(3)
    ]
    assert targets(loader.batches(4, 1)) == [[26, 27], [28, 29]]  # what is between is read and dropped


def test_an_epoch_of_an_endless_stream_is_not_read_anew():
    stream = Again(100)
    loader = Loader(stream, batch_size=2, batches_per_epoch=3)
    for epoch in range(4):
        list(loader.batches(epoch))
    assert stream.begun == 1
    assert targets(loader.batches(0)) == [[0, 1], [2, 3], [4, 5]]
    assert stream.begun == 2


@ANY_WORKERS
def test_what_was_read_ahead_is_not_lost(workers):
    loader = Loader(numbers(60), batch_size=2, batches_per_epoch=30, workers=workers, ahead=4)
    assert next(loader.batches())[1].tolist() == [0, 1]  # a look at the first batch
    batches = loader.batches()
    assert targets([next(batches) for _ in range(7)])[-1] == [12, 13]
    batches.close()
    assert targets(loader.batches(0, 7)) == [[n, n + 1] for n in range(14, 60, 2)]


def test_an_iterator_lasts_for_one_epoch():
    loader = Loader(numbers(100), batch_size=3)
    list(loader.batches(0))
    with pytest.raises(
        ValueError,
        match="the stream cannot start anew for epoch 1: what was given is a generator, which can be read only once",
    ):
        list(loader.batches(1))
    with pytest.raises(ValueError, match="cannot start anew for epoch 0"):
        list(loader.batches(0))


@ANY_WORKERS
@pytest.mark.parametrize(
    ("stream", "options", "message"),
    [
        (lambda: numbers(7), {"batches_per_epoch": 4}, "ended before batch 3 of epoch 0: expected 4 batches per epoch"),
        (lambda: numbers(0), {}, "gave no samples in epoch 0"),
        (lambda: numbers(2), {"drop_last": True}, "gave no samples in epoch 0"),
    ],
)
def test_a_stream_that_is_too_short_is_an_error(workers, stream, options, message):
    with pytest.raises(ValueError, match=message):
        list(Loader(stream, batch_size=3, workers=workers, **options))


def test_a_start_behind_the_end_is_an_error():
    with pytest.raises(ValueError, match="the stream ended before batch 4 of epoch 0"):
        list(Loader(lambda: numbers(7), batch_size=3).batches(0, 4))
    with pytest.raises(ValueError, match="start to be 2 at most, the number of batches, got 3"):
        Loader(lambda: numbers(7), batch_size=3, batches_per_epoch=2).batches(0, 3)


def test_a_last_smaller_batch_may_be_dropped():
    assert targets(Loader(lambda: numbers(7), batch_size=3, drop_last=True)) == [[0, 1, 2], [3, 4, 5]]


@ANY_WORKERS
def test_items_may_be_batches_already(workers):
    batches = [(numpy.full((n, 2), n), numpy.arange(n)) for n in (3, 5, 1)]
    found = list(Loader(iter(batches), batch_size=None, workers=workers))
    assert [x.shape for x, _ in found] == [(3, 2), (5, 2), (1, 2)]
    with pytest.raises(TypeError, match=r"expected the stream to give a tuple \(x, t\) or \(x, t, w\), got ndarray"):
        list(Loader(iter([numpy.ones(3)]), batch_size=None))


def test_batches_of_pytorchs_dataloader_are_taken():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.arange(6.0).reshape(3, 2), torch.arange(3))
    batches = list(Loader(torch.utils.data.DataLoader(data, batch_size=2), batch_size=None))
    assert [(type(x), x.tolist()) for x, _ in batches] == [
        (numpy.ndarray, [[0, 1], [2, 3]]),
        (numpy.ndarray, [[4, 5]]),
    ]
    assert targets(batches) == [[0, 1], [2]]


@ANY_WORKERS
def test_an_error_of_the_stream_names_the_batch_and_the_stream_starts_anew(workers):
    def broken(epoch):
        yield from numbers(7)
        if epoch == 2:
            raise OSError("the disk is gone")

    loader = Loader(broken, batch_size=3, workers=workers)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone") as caught:
            list(loader.batches(2))
        assert caught.value.__notes__ == ["It came from the stream, while reading batch 2 of epoch 2"]
    assert len(list(loader.batches(3))) == 3


@ANY_WORKERS
def test_samples_of_different_shapes_are_an_error_that_names_the_batch(workers):
    samples = [(numpy.ones(2), 0), (numpy.ones(2), 0), (numpy.ones(3), 0)]
    with pytest.raises(ValueError, match=r"samples of one shape, got \(2,\) and \(3,\) in one batch") as caught:
        list(Loader(iter(samples), batch_size=3, workers=workers))
    assert caught.value.__notes__ == ["It came up while loading batch 0 of epoch 0"]


def test_two_readers_at_once_are_refused():
    loader = Loader(lambda: numbers(9), batch_size=3)
    first = iter(loader)
    next(first)
    next(iter(loader))
    with pytest.raises(RuntimeError, match="one iterator at a time"):
        next(first)


@pytest.mark.parametrize("option", ["t", "sample_weight", "sampling_weight", "lengths", "stratify"])
def test_options_of_rows_are_refused(option):
    with pytest.raises(
        ValueError, match=rf"Loader of a stream \(a generator\), which has no row numbers, takes no {option}"
    ):
        Loader(numbers(3), **{option: [1, 2, 3]})


@pytest.mark.parametrize("shuffle", [True, "blocks"])
def test_a_stream_is_not_shuffled(shuffle):
    with pytest.raises(ValueError, match="takes no shuffle"):
        Loader(numbers(3), shuffle=shuffle)
    assert targets(Loader(numbers(3), shuffle=False)) == [[0, 1, 2]]


def test_a_stream_has_no_length():
    with pytest.raises(TypeError, match="has no length, unless batches_per_epoch is given"):
        len(Loader(numbers(3)))


def test_what_decides_the_batches_is_described():
    assert Loader(numbers(3), batches_per_epoch=2, batch_size=8).describe() == {
        "rows": None,
        "batch_size": 8,
        "seed": 0,
        "drop_last": False,
        "batches_per_epoch": 2,
    }
