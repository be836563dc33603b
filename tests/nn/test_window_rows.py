"""Convolution with the taps of two axes taken apart, beside the same by columns, on windows drawn at random."""

import numpy
import pytest

from xpnn.nn import window_products, window_rows, windows
from xpnn.nn.windows import Window

TOLERANCE = 1e-12  # of float64 sums of up to some thousand numbers of size 1


def _drawn(rng: numpy.random.Generator, axes: int) -> tuple[tuple[int, ...], tuple[int, ...], Window, int]:
    """The shapes of x and w, a window and groups that go by rows."""
    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        outputs, channels = groups * int(rng.integers(1, 5)), int(rng.integers(1, 4))
        kernel, dilation = (tuple(int(n) for n in rng.integers(1, 4, axes)) for _ in range(2))
        stride = (1, *(int(n) for n in rng.integers(1, 3, axes - 1)))
        padding = tuple((int(p), int(q)) for p, q in rng.integers(0, 7, (axes, 2)))
        lengths = tuple(int(n) for n in rng.integers(1, 7, axes))
        window, shape = Window(kernel, stride, padding, dilation), (outputs, channels, *kernel)
        if min(window.outputs(lengths)) > 0 and window_rows.by_rows(shape, window, groups):
            return (int(rng.integers(1, 4)), channels * groups, *lengths), shape, window, groups


def _close(found: numpy.ndarray, expected: numpy.ndarray) -> None:
    assert found.shape == expected.shape
    numpy.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * max(1.0, abs(expected).max()))


@pytest.mark.parametrize("most", [1 << 20, 40])  # 40: a few rows are a block
@pytest.mark.parametrize("axes", [2, 3])
def test_gives_the_same_as_columns(axes: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = numpy.random.default_rng(0)
    monkeypatch.setattr(windows, "block_elements", lambda x: most)
    for _ in range(40 if axes == 2 else 10):
        shape, of_w, window, groups = _drawn(rng, axes)
        x, w, b = (rng.standard_normal(n) for n in (shape, of_w, of_w[:1]))
        options = {"window": window, "groups": groups}
        y = window_rows.convolution_by_rows(x, w, b, window, groups)
        dy = rng.standard_normal(y.shape)
        dw = window_rows.correlation_by_rows(x, dy, of_w, window, groups)
        with monkeypatch.context() as columns:
            columns.setattr(window_products, "by_rows", lambda *_: False)
            _close(y, window_products._convolution(x, w, b, **options))
            _close(dw, window_products._correlation(x, dy, **options))


def test_takes_the_transposed_as_a_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, tried = numpy.random.default_rng(0), 0
    while tried < 40:
        shape, of_w, window, groups = _drawn(rng, 2)
        w = rng.standard_normal(of_w)
        if window_rows.mirrored(w, window, groups) is None:
            continue
        tried += 1
        y, b = rng.standard_normal((shape[0], of_w[0], *window.outputs(shape[2:]))), rng.standard_normal(shape[1])
        options = {"lengths": shape[2:], "window": window, "groups": groups}
        x = window_products._spreading(y, w, b, **options)
        with monkeypatch.context() as columns:
            columns.setattr(window_products, "mirrored", lambda *_: None)
            _close(x, window_products._spreading(y, w, b, **options))


@pytest.mark.parametrize(
    ("shape", "stride", "groups", "expected"),
    [
        ((64, 32, 3, 3), (1, 1), 1, True),
        ((64, 32, 3, 3), (1, 2), 1, True),
        ((64, 32, 3, 3), (2, 1), 1, False),  # the windows of two rows do not lie next to one another
        ((32, 1, 3, 3), (1, 1), 1, False),  # many outputs of few channels
        ((64, 32, 1, 3), (1, 1), 1, False),  # one tap, which has nothing to share
        ((64, 32, 3), (1,), 1, False),
        ((32, 1, 3, 3), (1, 1), 32, True),
    ],
)
def test_goes_by_rows_where_that_is_shorter(
    shape: tuple[int, ...], stride: tuple[int, ...], groups: int, expected: bool
) -> None:
    axes = len(stride)
    window = Window(shape[2:], stride, ((0, 0),) * axes, (1,) * axes)
    assert window_rows.by_rows(shape, window, groups) is expected


def test_no_convolution_is_the_transposed_of_one_with_strides_or_more_padding_than_window() -> None:
    w = numpy.ones((4, 4, 3, 3))
    usual = Window((3, 3), (1, 1), ((1, 1), (2, 0)), (1, 1))
    assert window_rows.mirrored(w, usual, 1) is not None
    assert window_rows.mirrored(w, usual._replace(stride=(1, 2)), 1) is None
    assert window_rows.mirrored(w, usual._replace(padding=((1, 1), (3, 0))), 1) is None
    assert window_rows.mirrored(numpy.ones((32, 1, 3, 3)), usual, 1) is None  # 32 would be copied for 1
