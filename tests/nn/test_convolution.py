"""Convolutions: numbers by hand, parts of any size, every wrong input, layers as functions."""

import itertools
import tracemalloc

import numpy
import pytest
from elsewhere import rounding

import xpnn
from xpnn import nn
from xpnn.nn import initializers, windows

RNG = numpy.random.default_rng(0)


def by_loops(x, w, stride, padding, dilation, groups):
    """The definition, a loop for each sum."""
    n, _, height, width = x.shape
    outputs, channels, *kernel = w.shape
    lengths = [
        (length + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for length, k in zip((height, width), kernel, strict=True)
    ]
    y = numpy.zeros((n, outputs, *lengths))
    for o, i, j in itertools.product(range(outputs), *map(range, lengths)):
        first = o // (outputs // groups) * channels
        for c, s, t in itertools.product(range(channels), *map(range, kernel)):
            row, column = i * stride + s * dilation - padding, j * stride + t * dilation - padding
            if 0 <= row < height and 0 <= column < width:
                y[:, o, i, j] += w[o, c, s, t] * x[:, first + c, row, column]
    return y


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (3, 4, 2, 1), (1, 2, 3, 2)]
)
def test_numbers_are_those_of_the_definition(stride, padding, dilation, groups):
    x, w = RNG.standard_normal((2, 4, 7, 8)), RNG.standard_normal((6, 4 // groups, 3, 2))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    # rtol: sums of up to 24 products in another order
    numpy.testing.assert_allclose(nn.conv2d(x, w, **options), by_loops(x, w, **options), rtol=1e-12, atol=1e-13)


# Parts


@pytest.fixture(params=[1, 7, 30, 100, 1000])
def in_parts(request, monkeypatch):
    """Windows are gone over in parts of at most so many numbers."""
    monkeypatch.setattr(windows, "block_elements", lambda x: request.param)


def losses():
    x, w, b = RNG.standard_normal((3, 4, 5, 6)), RNG.standard_normal((4, 2, 3, 2)), RNG.standard_normal(4)
    options = {"stride": (1, 2), "padding": (2, 1), "dilation": (1, 2), "groups": 2}

    def square(y):
        return xpnn.namespace_of(y).sum(y * y)

    yield lambda x, w, b: square(nn.conv2d(x, w, b, **options)), (x, w, b)
    yield lambda x, w, b: square(nn.conv_transpose2d(x, w, b[:2], **options)), (x, w[:, :1], b)
    yield lambda x: square(nn.max_pool2d(x, 3, stride=(1, 2), padding=1, ceil_mode=True)), (x,)
    yield lambda x: square(nn.avg_pool2d(x, 3, stride=(1, 2), padding=1, ceil_mode=True)), (x,)


WHOLE = [(xpnn.value_and_grad(loss, argnums=tuple(range(len(args))))(*args), loss, args) for loss, args in losses()]


@pytest.mark.parametrize("number", range(len(WHOLE)))
@pytest.mark.usefixtures("in_parts")
def test_parts_of_any_size_give_the_same(number):
    (value, gradients), loss, args = WHOLE[number]
    found, others = xpnn.value_and_grad(loss, argnums=tuple(range(len(args))))(*args)
    # rtol: sums over parts, in another order
    numpy.testing.assert_allclose(found, value, rtol=1e-13)
    for a, b in zip(others, gradients, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_memory_is_that_of_the_arrays_and_a_few_parts():
    # the columns of all windows would be 9 times the input: 38 MB
    x = numpy.ones((2, 8, 256, 256), dtype="float32")
    layer = nn.Conv2d(8, 1, 3, padding=1).initialize(seed=0)

    def loss(layer, x):
        return xpnn.namespace_of(x).sum(layer(x))

    xpnn.value_and_grad(loss, argnums=(0, 1))(layer, x[:, :, :8, :8])
    tracemalloc.start()
    xpnn.value_and_grad(loss, argnums=(0, 1))(layer, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * x.nbytes + 12 * 2**20  # the gradient of x, the output and its gradient, and two parts of 4 MiB


def test_windows_are_counted_and_cut_by_hand():
    window = windows.Window((3,), (2,), ((1, 1),), (1,))
    assert window.outputs((6,)) == (3,)
    assert window.outputs((6,), partial=True) == (4,)
    assert window.outputs((5,), partial=True) == (3,)
    assert [(tap, x, y) for tap, (x,), (y,) in windows.taps(window, (6,), ((0, 3),))] == [
        ((0,), slice(1, 4, 2), slice(1, 3)),  # the first window has its first tap in the padding
        ((1,), slice(0, 5, 2), slice(0, 3)),
        ((2,), slice(1, 6, 2), slice(0, 3)),
    ]


# Inputs


@pytest.mark.parametrize("layout", ["Fortran", "strided", "reversed", "read-only", "broadcast"])
def test_memory_layouts_of_inputs(layout):
    x, w = RNG.standard_normal((2, 3, 5, 6)), RNG.standard_normal((2, 3, 3, 3))
    other = {
        "Fortran": numpy.asfortranarray(x),
        "strided": numpy.repeat(x, 2, axis=3)[..., ::2],
        "reversed": x[..., ::-1, ::-1].copy()[..., ::-1, ::-1],
        "read-only": x.copy(),
        "broadcast": numpy.broadcast_to(x[:1], x.shape),
    }[layout]
    other.flags.writeable = False
    plain = numpy.ascontiguousarray(other)
    numpy.testing.assert_array_equal(nn.conv2d(other, w), nn.conv2d(plain, w))
    # rtol: a matrix product may sum in another order where its factor lies transposed in memory
    numpy.testing.assert_allclose(
        nn.conv2d(plain, other[..., :3, :3]), nn.conv2d(plain, plain[..., :3, :3]), rtol=1e-12
    )


def test_complex_numbers_have_the_derivatives_of_a_product():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these gradients")
    x, w = (RNG.standard_normal(s) + 1j * RNG.standard_normal(s) for s in ((2, 3, 5), (4, 3, 2)))

    def loss(x, w):
        xp = xpnn.namespace_of(x)
        y = nn.conv1d(x, w, stride=2)
        return xp.real(xp.sum(y * xp.conj(y) + y))

    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    y = torch.nn.functional.conv1d(tx, tw, stride=2)
    torch.real((y * y.conj() + y).sum()).backward()
    for a, b in zip(xpnn.grad(loss, argnums=(0, 1))(x, w), (tx.grad, tw.grad), strict=True):
        numpy.testing.assert_allclose(a, b.resolve_conj().numpy(), rtol=1e-12)


def test_the_same_numbers_elsewhere(elsewhere):
    layer = nn.Conv2d(3, 4, 3, stride=2, padding=1).initialize(seed=0)
    x = RNG.standard_normal((2, 3, 6, 7)).astype("float32")
    y = layer(x)
    found = nn.Conv2d(3, 4, 3, stride=2, padding=1).to(elsewhere).initialize(seed=0)(elsewhere.asarray(x))
    rtol = rounding(elsewhere, "float32")  # sums of 27 products of size 1
    numpy.testing.assert_allclose(elsewhere.to_host(found), y, rtol=rtol, atol=4 * rtol)


# Layers


LAYERS = [
    nn.Conv1d(2, 4, 3),
    nn.Conv2d(2, 4, (3, 2), stride=2, padding=(1, 0), groups=2, bias=False),
    nn.Conv3d(2, 4, 2, dilation=2),
    nn.ConvTranspose1d(2, 4, 3, stride=2, padding=1, output_padding=1),
    nn.ConvTranspose2d(2, 4, 2, stride=(2, 1), groups=2),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_names_shapes_and_first_values_are_pytorchs(layer):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges names, shapes and ranges")
    window, options = layer.window, {}
    if "Transpose" in type(layer).__name__:
        options["output_padding"] = layer.output_padding
    theirs = getattr(torch.nn, type(layer).__name__)(
        2,
        4,
        window.kernel,
        stride=window.stride,
        padding=tuple(p for p, _ in window.padding),
        dilation=window.dilation,
        groups=layer.groups,
        bias=layer.bias is not None,
        **options,
    )
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        name: tuple(p.shape) for name, p in theirs.named_parameters()
    }
    many = [layer.initialize(seed).weight.copy() for seed in range(60)]
    bound = 0.0
    for _ in range(60):
        theirs.reset_parameters()
        bound = max(bound, float(abs(theirs.weight.detach()).max()))
    assert abs(numpy.max(numpy.abs(many)) / bound - 1) < 0.01  # U(-a, a): the largest of 960 draws or more
    state = {name: torch.tensor(value) for name, value in layer.state_dict().items()}
    theirs.load_state_dict(state)
    x = RNG.standard_normal((3, 2, *(5 for _ in window.kernel))).astype("float32")
    # atol: sums of up to 16 products in float32
    numpy.testing.assert_allclose(layer(x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6)
    numpy.testing.assert_array_equal(layer(x[0]), layer(x[:1])[0])


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, (1, 2), "same", "valid"])
def test_padding_modes_are_pytorchs(mode, padding):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these numbers")
    layer = nn.Conv2d(2, 3, (3, 5), padding=padding, padding_mode=mode, dtype="float64").initialize(seed=0)
    theirs = torch.nn.Conv2d(2, 3, (3, 5), padding=padding, padding_mode=mode, dtype=torch.float64)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in layer.state_dict().items()})
    x = RNG.standard_normal((2, 2, 6, 7))
    numpy.testing.assert_allclose(layer(x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-9, atol=1e-12)


def test_another_initializer_starts_the_bias_at_zero():
    layer = nn.Conv2d(2, 3, 3, initializer=initializers.he_normal).initialize(seed=0)
    assert not layer.bias.any()
    expected = initializers.he_normal((3, 2, 3, 3), seed=0, stream="init/.weight")
    numpy.testing.assert_array_equal(layer.weight, expected)


def test_repr_shows_what_is_not_usual():
    assert repr(nn.Conv2d(3, 8, 3)) == "Conv2d(3, 8, 3)"
    layer = nn.Conv1d(2, 4, 3, stride=2, padding=1, dilation=3, groups=2, bias=False, padding_mode="circular")
    assert repr(layer) == (
        "Conv1d(2, 4, 3, stride=2, dilation=3, padding=1, padding_mode='circular', groups=2, bias=False)"
    )
    assert repr(nn.Conv2d(3, 8, (3, 4), padding="same")) == "Conv2d(3, 8, (3, 4), padding='same')"
    assert repr(nn.ConvTranspose2d(3, 8, 2, stride=2, output_padding=1)) == (
        "ConvTranspose2d(3, 8, 2, stride=2, output_padding=1)"
    )


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 0}, "Conv2d expected in_channels to be a positive integer, got 0"),
        ({"out_channels": 1.5}, "Conv2d expected out_channels to be a positive integer, got 1.5"),
        ({"kernel_size": 0}, "Conv2d expected kernel_size to be a positive integer, or 2 of them, got 0"),
        ({"kernel_size": (1, 2, 3)}, r"Conv2d expected kernel_size .* got \(1, 2, 3\)"),
        ({"stride": 0}, "Conv2d expected stride to be a positive integer"),
        ({"padding": -1}, "Conv2d expected padding to be an integer of 0 or more, or 2 of them, got -1"),
        ({"padding": "full"}, "Conv2d expected padding to be integers, 'same' or 'valid', got 'full'"),
        ({"padding": "same", "stride": 2}, r"Conv2d expected a stride of 1 with padding='same', got \(2, 2\)"),
        ({"dilation": True}, "Conv2d expected dilation to be a positive integer"),
        ({"groups": 4}, "Conv2d expected channels that make 4 equal groups, got 2 and 4"),
        ({"groups": -1}, "Conv2d expected groups to be a positive integer"),
        ({"padding_mode": "mirror"}, "Conv2d expected padding_mode to be one of .* got 'mirror'"),
        ({"dtype": "float16"}, "Conv2d expected dtype 'float32' or 'float64', got 'float16'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(**({"in_channels": 2, "out_channels": 4, "kernel_size": 3} | options))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 3, 5, 5),
            r"Conv2d expected x of shape \(n, 2 channels, height, width\) or without n, got .*\(1, 3, 5, 5\)",
        ),
        ((5, 5), r"Conv2d expected x of shape .* got shape \(5, 5\)"),
        ((1, 1, 2, 5, 5), "Conv2d expected x of shape"),
        ((1, 2, 2, 5), r"at least as large as its window, 3, got lengths \(2, 5\)"),
    ],
)
def test_wrong_inputs(shape, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(2, 4, 3)(numpy.zeros(shape, dtype="float32"))


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex64"])
def test_another_dtype_is_not_promoted(dtype):
    x = numpy.zeros((1, 2, 5, 5), dtype=dtype)
    with pytest.raises(TypeError, match=f"Conv2d expected x of dtype float32, as its own arrays, got {dtype}"):
        nn.Conv2d(2, 4, 3)(x)
    with pytest.raises(TypeError, match=f"conv2d expected arrays of one floating-point dtype, got {dtype}, float32"):
        nn.conv2d(x, numpy.zeros((4, 2, 3, 3), dtype="float32"))


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((1, 2, 5), (3, 2, 2), (2,)), {}, r"b of shape \(3,\), as of w, got shape \(2,\)"),
        (((1, 2, 5), (3, 2), (3,)), {}, r"w of 3 axes, .* got shape \(3, 2\)"),
        (((1, 2, 5), (3, 2, 0), (3,)), {}, "w of 3 axes, with a kernel of 1 or more"),
        (((1, 2, 5), (3, 1, 2), (3,)), {"groups": 2}, "outputs in 2 equal groups"),
        (((1, 2, 5), (4, 2, 2), (4,)), {"groups": 2}, r"\(n, 4 channels, length\)"),
    ],
)
def test_the_function_checks_shapes(shapes, options, message):
    with pytest.raises(ValueError, match=message):
        nn.conv1d(*(numpy.ones(shape) for shape in shapes), **options)


def test_arrays_of_two_libraries_do_not_mix(elsewhere):
    with pytest.raises(TypeError, match="expected arrays of one library"):
        nn.conv1d(elsewhere.asarray(numpy.ones((1, 2, 5))), numpy.ones((3, 2, 2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_padding": 2, "stride": 2}, "ConvTranspose1d expected output_padding less than the stride"),
        ({"output_padding": -1}, "ConvTranspose1d expected output_padding to be an integer of 0 or more"),
        ({"padding": "same"}, "ConvTranspose1d expected padding to be an integer of 0 or more"),
    ],
)
def test_wrong_options_of_a_transposed_convolution(options, message):
    with pytest.raises(ValueError, match=message):
        nn.ConvTranspose1d(2, 4, 3, **options)


def test_a_transposed_convolution_that_would_leave_nothing():
    with pytest.raises(ValueError, match="expected an input larger than its padding"):
        nn.ConvTranspose1d(2, 4, 3, padding=2)(numpy.zeros((1, 2, 2), dtype="float32"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: nn.pad(x, (1,)), "pad expected padding as pairs of integers"),
        (lambda x: nn.pad(x, (1, 1), mode="mirror"), "pad expected mode to be one of 'constant'"),
        (lambda x: nn.pad(x, (3, 0), mode="reflect"), r"lengths from 0 to 2 for axis 3 of shape \(1, 1, 3, 3\), got 3"),
        (lambda x: nn.pad(x, (0, 4), mode="circular"), "lengths from 0 to 3 for axis 3"),
        (lambda x: nn.pad(x, (-1, 0), mode="replicate"), "got -1 and 0"),
        (lambda x: nn.pad(x, (-2, -2)), "cannot cut"),
        (lambda x: nn.pad(x, (1,) * 10), "at most 4 axes"),
        (lambda x: nn.Pad2d((1, 2)), "Pad2d expected padding to be one integer or 4"),
        (lambda x: nn.Pad1d(1)(x), "Pad1d expected x of shape"),
        (lambda x: nn.upsample(x), "either size or scale_factor"),
        (lambda x: nn.upsample(x, size=3, mode="linear"), "1 axes behind"),
        (lambda x: nn.upsample(x, scale_factor=0), "positive scale_factor"),
        (lambda x: nn.upsample(x, scale_factor=0.1), "leave nothing"),
        (lambda x: nn.upsample(x, size=3, align_corners=True), "aligns corners in the linear modes only"),
        (lambda x: nn.Upsample(size=3, mode="cubic"), "expected mode"),
        (lambda x: nn.unfold(x, 4), "at least as large as its window"),
        (lambda x: nn.fold(x, (4, 4), 2), "fold expected x of shape"),
        (lambda x: nn.pixel_shuffle(x, 2), r"channels \* 4"),
        (lambda x: nn.pixel_unshuffle(x, 2), "divisible by 2"),
    ],
)
def test_wrong_calls_of_the_others(call, message):
    with pytest.raises(ValueError, match=message):
        call(numpy.ones((1, 1, 3, 3)))
