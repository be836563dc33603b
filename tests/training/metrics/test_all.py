"""What all metrics promise: scikit-learn's numbers, the same in parts as at once, on any device, through a file."""

from contextlib import nullcontext
from itertools import pairwise

import numpy
import pytest
from metric_rows import ROWS, TABLE, WEIGHTS

from xpnn import testing
from xpnn.arrays.devices import device_of
from xpnn.training.checkpoint import load, save
from xpnn.training.metrics import ConfusionMatrix, accumulated

EXACT = 1e-12  # float64; sums of 203 numbers in another order
EACH = pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
LABELLED = [row for row in TABLE if row.y.shape != row.t.shape]
OF_CLASSES = pytest.mark.parametrize("row", LABELLED, ids=[row.name for row in LABELLED])
WITH_TARGETS_IN_RANGE = [row for row in TABLE if row.t.dtype.kind == "i"]
IN_RANGE = pytest.mark.parametrize("row", WITH_TARGETS_IN_RANGE, ids=[row.name for row in WITH_TARGETS_IN_RANGE])
WEIGHTED = pytest.mark.parametrize("w", [None, WEIGHTS], ids=["plain", "weighted"])
CUTS = [0, 64, 64, 128, 200, ROWS]  # one part without rows, a small one at the end


def weight(w):
    return {} if w is None else {"sample_weight": w}


def parts(device, row, w, dtype="float64", cuts=CUTS):
    """The data of a row on `device`, part by part."""
    y, t, w = row.y, row.t, [] if w is None else [w]
    for start, stop in pairwise(cuts):
        arrays = [device.asarray(x[start:stop]) for x in (y.astype(dtype), t, *w)]
        yield arrays


def no_looks(device):
    return testing.no_device_reads() if device.name.startswith("strict") else nullcontext()


@EACH
@WEIGHTED
def test_scikit_learn_agrees(row, w):
    pytest.importorskip("sklearn")
    found = row.whole(**weight(w))
    numpy.testing.assert_allclose(found, row.judge(row.y, row.t, w), rtol=EXACT, atol=EXACT)
    assert type(found) in (float, numpy.ndarray)


@EACH
@WEIGHTED
def test_parts_on_a_device_give_what_the_whole_gives_without_a_look(place, row, w):
    metric = row.metric()
    with no_looks(place):
        for part in parts(place, row, w):
            metric.update(*part)
    found, expected = metric.result(), row.whole(**weight(w))
    numpy.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT)
    assert type(found) is type(expected)
    metric.start()
    metric.update(*(place.asarray(x) for x in (row.y, row.t)))
    numpy.testing.assert_allclose(metric.result(), row.whole(), rtol=EXACT, atol=EXACT)


@EACH
def test_arrays_of_another_device_give_the_function_the_same(elsewhere, row):
    there = [elsewhere.asarray(x) for x in (row.y, row.t, WEIGHTS)]
    numpy.testing.assert_array_equal(row.whole(*there[:2], sample_weight=there[2]), row.whole(sample_weight=WEIGHTS))


@EACH
@WEIGHTED
def test_a_state_through_a_file_goes_on_to_the_same_bits(place, row, w, tmp_path):
    metric, other = row.metric(), row.metric()
    first, *rest = [part for part in parts(place, row, w) if part[0].shape[0]]
    metric.update(*first)
    save(tmp_path / "state", metric.state())
    other.load_state(load(tmp_path / "state")[0])
    numpy.testing.assert_array_equal(other.result(), metric.result())
    with no_looks(place):
        for part in rest:
            metric.update(*part)
            other.update(*part)
    numpy.testing.assert_array_equal(other.result(), metric.result())


@EACH
def test_a_state_does_not_change_with_later_parts_nor_with_what_is_written_into_them(row):
    metric = row.metric()
    y, t, w = row.y.copy(), row.t.copy(), WEIGHTS.copy()
    metric.update(y, t, w)
    state = metric.state()
    before = {name: numpy.array(x) for name, x in state.items()}
    y[...], t[...], w[...] = 1, 1, 1
    numpy.testing.assert_allclose(metric.result(), row.whole(sample_weight=WEIGHTS), rtol=EXACT, atol=EXACT)
    metric.update(y, t, w)
    for name, x in before.items():
        numpy.testing.assert_array_equal(state[name], x)


@EACH
def test_float32_outputs_are_summed_in_float64(place, row):
    metric = row.metric()
    for _ in range(30):
        for part in parts(place, row, None, "float32"):
            metric.update(*part)
    expected = row.whole(row.y.astype("float32")) * (30 if row.kind is ConfusionMatrix else 1)
    numpy.testing.assert_allclose(metric.result(), expected, rtol=1e-6)  # logarithms and exponentials in float32
    for name, x in metric.state().items():
        assert str(x.dtype).rpartition(".")[2] in ("int64", "float64") or name in "yt"


@EACH
def test_a_row_of_weight_0_is_as_if_it_were_not_there(row):
    some = WEIGHTS > 0
    without = row.whole(row.y[some], row.t[some], sample_weight=WEIGHTS[some])
    numpy.testing.assert_allclose(row.whole(sample_weight=WEIGHTS), without, rtol=EXACT, atol=EXACT)


@EACH
def test_a_weight_of_2_is_as_if_a_row_were_there_twice(row):
    times = 1 + numpy.arange(ROWS) % 3
    repeated = row.whole(numpy.repeat(row.y, times, axis=0), numpy.repeat(row.t, times, axis=0))
    numpy.testing.assert_allclose(row.whole(sample_weight=times), repeated, rtol=EXACT, atol=EXACT)


@OF_CLASSES
def test_items_may_stand_along_several_axes(place, row):
    """As sequences do: (n, length, classes) and (n, length)."""
    y, t = row.y[:200].reshape(50, 4, -1), row.t[:200].reshape(50, 4)
    expected = row.whole(row.y[:200], row.t[:200], sample_weight=numpy.repeat(WEIGHTS[:50], 4))
    numpy.testing.assert_allclose(row.whole(y, t, sample_weight=WEIGHTS[:50]), expected, rtol=EXACT, atol=EXACT)
    metric = row.metric()
    for cut in (slice(0, 30), slice(30, 50)):
        metric.update(*(place.asarray(x[cut]) for x in (y, t, WEIGHTS[:50])))
    numpy.testing.assert_allclose(metric.result(), expected, rtol=EXACT, atol=EXACT)


@OF_CLASSES
def test_items_without_a_label_are_left_out(place, row):
    t = numpy.where(numpy.arange(ROWS) % 3 == 0, -100, row.t)
    labelled = t >= 0
    expected = row.whole(row.y[labelled], row.t[labelled], sample_weight=WEIGHTS[labelled])
    numpy.testing.assert_allclose(row.whole(t=t, sample_weight=WEIGHTS), expected, rtol=EXACT, atol=EXACT)
    metric = row.metric()
    with no_looks(place):
        metric.update(*(place.asarray(x) for x in (row.y, t, WEIGHTS)))
    numpy.testing.assert_allclose(metric.result(), expected, rtol=EXACT, atol=EXACT)
    metric.start()
    metric.update(place.asarray(row.y), place.asarray(0 * t - 1))
    assert numpy.all(numpy.isnan(metric.result()) if row.kind is not ConfusionMatrix else metric.result() == 0)


@IN_RANGE
def test_labels_that_are_no_class_raise_with_the_result_not_before(place, row):
    t = row.t.copy()
    t[5] = 7
    metric = row.metric()
    with no_looks(place):
        metric.update(place.asarray(row.y), place.asarray(t))
    with pytest.raises(ValueError, match=r"expected (labels|targets).*, got (1 others|7)"):
        metric.result()
    with pytest.raises(ValueError, match=rf"^{row.function.__name__} expected (labels|targets).*, got 7"):
        row.whole(t=t)


@EACH
def test_of_a_prediction_that_is_nan_the_result_is_nan_and_the_function_raises(place, row):
    y = row.y.copy()
    y[3, 0] = numpy.nan
    metric = row.metric()
    metric.update(place.asarray(y), place.asarray(row.t))
    if row.kind is ConfusionMatrix:
        with pytest.raises(ValueError, match="confusion_matrix expected predictions without NaN, got 1"):
            metric.result()
    elif row.options.get("average", "") is None:
        assert metric.result().shape == (4,)
        assert numpy.isnan(metric.result()).all()
    else:
        assert numpy.isnan(metric.result())
    with pytest.raises(ValueError, match=f"^{row.function.__name__} expected predictions without NaN, got 1 of them"):
        row.whole(y)


@EACH
def test_without_rows_there_is_no_result(row):
    metric = row.metric()
    metric.update(row.y[:0], row.t[:0])
    for _ in range(2):
        with pytest.raises(ValueError, match=f"{row.kind.__name__} expected an update before its result"):
            metric.result()
        assert metric.state() == {}
        metric.update(row.y, row.t)
        metric.start()


@EACH
def test_bad_weights_are_named(row):
    with pytest.raises(ValueError, match=r"sample_weight of shape \(203,\), got \(203, 1\)"):
        row.whole(sample_weight=WEIGHTS[:, None])
    with pytest.raises(ValueError, match=r"sample_weight of shape \(203,\), got \(203, 1\)"):
        row.metric().update(row.y, row.t, WEIGHTS[:, None])
    for wrong in (-WEIGHTS, 0 * WEIGHTS, WEIGHTS * numpy.nan):
        with pytest.raises(ValueError, match="weights of 0 or more"):
            row.whole(sample_weight=wrong)
    with pytest.raises(TypeError, match="list"):
        row.metric().update(row.y, row.t, list(WEIGHTS))


BAD = {
    "a list": ([[1.0, 2.0]], numpy.zeros(1, int), TypeError, "list"),
    "a list of targets": (numpy.zeros((2, 1)), [1, 0], TypeError, "list"),
    "numbers of rows": (numpy.zeros((3, 2)), numpy.zeros(2, int), ValueError, r"\(3, 2\) and \(2,\)"),
    "complex numbers": (numpy.zeros((2, 2), complex), numpy.zeros((2, 2)), TypeError, "complex128"),
    "no axis": (numpy.asarray(1.0), numpy.asarray(1.0), ValueError, r"shape \(\)"),
    "words": (numpy.asarray(["a"]), numpy.asarray(["a"]), TypeError, "real numbers"),
}
OF_WHOLE = {
    "no rows": (numpy.zeros((0, 2)), numpy.zeros(0, int), ValueError, r"\(0, 2\)"),
    "NaN": (numpy.full((2, 2), numpy.nan), numpy.zeros((2, 2)), ValueError, "without NaN, got 4"),
    **BAD,
}


@EACH
@pytest.mark.parametrize(("y", "t", "kind", "words"), OF_WHOLE.values(), ids=OF_WHOLE)
def test_bad_input_is_named(row, y, t, kind, words):
    with pytest.raises(kind, match=words):
        row.whole(y, t)


@EACH
@pytest.mark.parametrize(("y", "t", "kind", "words"), BAD.values(), ids=BAD)
def test_bad_parts_are_named_at_once(row, y, t, kind, words):
    metric = row.metric()
    with pytest.raises(kind, match=words):
        metric.update(y, t)


@EACH
def test_shapes_that_would_broadcast_are_refused(row):
    for t in (numpy.zeros(3), numpy.zeros((3, 1, 1))):
        with pytest.raises(ValueError, match=r"\(3, 1\)"):
            row.metric().update(numpy.zeros((3, 1)), t)
        with pytest.raises(ValueError, match=r"\(3, 1\)"):
            row.whole(numpy.zeros((3, 1)), t)


@EACH
def test_of_a_function_with_its_options_accumulated_gives_the_class(row):
    metric = accumulated(row.partial())
    assert type(metric) is row.kind
    assert {name: getattr(metric, name) for name in row.options} == row.options
    metric.update(row.y, row.t)
    numpy.testing.assert_allclose(metric.result(), row.whole(), rtol=EXACT, atol=EXACT)


@EACH
def test_what_adds_up_stays_on_the_device(elsewhere, row):
    metric = row.metric()
    metric.update(elsewhere.asarray(row.y), elsewhere.asarray(row.t), elsewhere.asarray(WEIGHTS))
    added = [x for x in vars(metric).get("_sums", {}).values() if hasattr(x, "dtype")]
    added += [x for part in vars(metric).get("_parts", {}).values() for x in part]
    assert added
    assert {device_of(x) for x in added} == {elsewhere}
