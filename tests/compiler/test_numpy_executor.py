"""Replay on NumPy: the same bits as the plain call, from the third call on; no allocation; results are the caller's."""

import operator
import tracemalloc
from itertools import pairwise

import numpy
import pytest
from compiler_twins import assert_equal, replays

import xpnn
from xpnn import nn, optim
from xpnn.autodiff.namespace import FFT_RULES, LINALG_RULES
from xpnn.compiler import rewrites

RNG = numpy.random.default_rng(0)


# Every name of the standard, as a step of one call

F = RNG.random((4, 3)) * 0.8 + 0.1
G = RNG.random((4, 3)) * 0.8 + 0.1
N = RNG.integers(1, 5, (4, 3))
M = RNG.random((4, 3)) > 0.5
S = RNG.random((3, 3)) + 3 * numpy.eye(3)
I = numpy.asarray([[0, 1, 1]] * 4)  # noqa: E741
Z = F + 1j * G


def of(name, *args, **options):
    """A step that calls the function of this name in the namespace of its first argument."""
    return lambda x, *xs: operator.attrgetter(name)(xpnn.namespace_of(x))(x, *xs, *args, **options)


def made(name, *args, **options):
    return lambda x: x + getattr(xpnn.namespace_of(x), name)(*args, dtype=x.dtype, **options)


UNARY = (
    "abs acos asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan log log10 log1p log2 negative "
    "positive reciprocal round sign signbit sin sinh sqrt square tan tanh trunc"
).split()
BINARY = (
    "add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal logaddexp maximum "
    "minimum multiply nextafter not_equal pow remainder subtract"
).split()
REDUCTIONS = "max min mean prod std sum var argmax argmin cumulative_sum cumulative_prod count_nonzero".split()
CASES = {
    **{name: (of(name), F) for name in UNARY},
    **{name: (of(name), F, G) for name in BINARY},
    **{f"{name} of ()": (of(name), F[0, 0].reshape(()), G[0, 0].reshape(())) for name in BINARY},
    **{f"{name} of int": (of(name), N, N[::-1]) for name in "add multiply floor_divide maximum pow".split()},
    **{name: (of(name, axis=1), F) for name in REDUCTIONS},
    **{f"{name} of all": (of(name), F) for name in REDUCTIONS if not name.startswith("cumulative")},
    **{name: (of(name), N, N[::-1]) for name in "bitwise_and bitwise_or bitwise_xor".split()},
    **{name: (of(name), N, N[::-1]) for name in "bitwise_left_shift bitwise_right_shift".split()},
    **{name: (of(name), M, M[::-1]) for name in "logical_and logical_or logical_xor".split()},
    "bitwise_invert": (of("bitwise_invert"), N),
    "logical_not": (of("logical_not"), M),
    "acosh": (of("acosh"), F + 5),
    "conj": (of("conj"), Z),
    "real": (of("real"), Z),
    "imag": (of("imag"), Z),
    "all": (of("all", axis=0), M),
    "any": (of("any", axis=0), M),
    "clip": (of("clip", 0.3, 0.5), F),
    "diff": (of("diff", axis=0), F),
    "astype": (lambda x: xpnn.namespace_of(x).astype(x, xpnn.namespace_of(x).float32), F),
    "where": (of("where"), M, F, G),
    "searchsorted": (of("searchsorted"), numpy.sort(F[0]), G),
    "sort": (of("sort", axis=0), F),
    "argsort": (of("argsort", axis=0), F),
    "isin": (of("isin"), N, N[0]),
    "matmul": (of("matmul"), F, S),
    "matmul of vectors": (of("matmul"), F[0], G[0]),
    "matmul of stacks": (of("matmul"), RNG.random((2, 4, 3)), S),
    "tensordot": (of("tensordot", axes=1), F, S),
    "vecdot": (of("vecdot"), F, G),
    "matrix_transpose": (of("matrix_transpose"), F),
    "reshape": (of("reshape", (2, 6)), F),
    "reshape of strided": (of("reshape", (12,)), RNG.random((3, 4)).T),
    "permute_dims": (of("permute_dims", (1, 0)), F),
    "moveaxis": (of("moveaxis", 0, 1), F),
    "expand_dims": (of("expand_dims", axis=1), F),
    "squeeze": (of("squeeze", axis=1), F[:, :1]),
    "broadcast_to": (of("broadcast_to", (2, 4, 3)), F),
    "flip": (of("flip", axis=0), F),
    "roll": (of("roll", 1, axis=0), F),
    "repeat": (of("repeat", 2, axis=0), F),
    "tile": (of("tile", (2, 1)), F),
    "unstack": (of("unstack", axis=1), F),
    "take": (of("take", axis=0), F, numpy.asarray([0, 0])),
    "take_along_axis": (of("take_along_axis", axis=0), F, I % 2),
    "tril": (of("tril"), F),
    "triu": (of("triu"), F),
    "concat": (lambda x, y: xpnn.namespace_of(x).concat([x, y], axis=1), F, G),
    "concat flat": (lambda x, y: xpnn.namespace_of(x).concat([x, y], axis=None), F, G),
    "stack": (lambda x, y: xpnn.namespace_of(x).stack([x, y], axis=1), F, G),
    "broadcast_arrays": (lambda x, y: xpnn.namespace_of(x).broadcast_arrays(x, y), F, G[0]),
    "meshgrid": (lambda x, y: xpnn.namespace_of(x).meshgrid(x, y), F[0], G[1]),
    "asarray": (lambda x: xpnn.namespace_of(x).asarray(x, copy=True), F),
    "arange": (made("arange", 3), F),
    "linspace": (made("linspace", 0.0, 1.0, 3), F),
    "eye": (made("eye", 4, 3), F),
    "full": (made("full", (4, 3), 2.5), F),
    "ones": (made("ones", (4, 3)), F),
    "zeros": (made("zeros", (3,)), F),
    "empty": (lambda x: 0 * x + xpnn.namespace_of(x).empty((0, 3), dtype=x.dtype).shape[0], F),
    "full_like": (of("full_like", 2.5), F),
    "ones_like": (of("ones_like"), F),
    "zeros_like": (of("zeros_like"), F),
    "empty_like": (lambda x: x * xpnn.namespace_of(x).empty_like(x).shape[0], F),
    "linalg.cholesky": (lambda x: xpnn.namespace_of(x).linalg.cholesky(x @ x.mT), S),
    "linalg.cross": (of("linalg.cross"), F, G),
    "linalg.outer": (of("linalg.outer"), F[0], G[0]),
    "linalg.solve": (of("linalg.solve"), S, F.T),
    "linalg.matrix_power": (of("linalg.matrix_power", 2), S),
    "linalg.matrix_norm": (of("linalg.matrix_norm"), F),
    "linalg.vector_norm": (of("linalg.vector_norm", axis=0), F),
    **{f"linalg.{name}": (of(f"linalg.{name}"), S) for name in "det diagonal inv pinv slogdet trace svd qr".split()},
    **{f"linalg.{name}": (of(f"linalg.{name}"), S) for name in "matrix_rank svdvals".split()},
    **{f"linalg.{name}": (of(f"linalg.{name}"), (S + S.T)) for name in "eigh eigvalsh".split()},
    **{f"linalg.{name}": (of(f"linalg.{name}"), S) for name in "matmul matrix_transpose tensordot vecdot".split()[1:2]},
    **{f"linalg.{name}": (of(f"linalg.{name}"), F, S) for name in ("matmul",)},
    **{f"linalg.{name}": (of(f"linalg.{name}"), F, G) for name in ("vecdot",)},
    "linalg.tensordot": (of("linalg.tensordot", axes=1), F, S),
    **{f"fft.{name}": (of(f"fft.{name}"), Z) for name in "fft ifft fftn ifftn irfft irfftn hfft".split()},
    **{f"fft.{name}": (of(f"fft.{name}"), F) for name in "rfft rfftn ihfft fftshift ifftshift".split()},
    "fft.fftfreq": (lambda x: x + xpnn.namespace_of(x).fft.fftfreq(3), F),
    "fft.rfftfreq": (lambda x: x + xpnn.namespace_of(x).fft.rfftfreq(4), F),
}


@pytest.mark.parametrize("name", CASES)
def test_one_call_replayed_is_the_plain_call(name):
    step, *args = CASES[name]
    _, pairs = replays(step, *args, exact=True)
    assert_equal(pairs)  # at the end: no result was written into by a later replay


ELSEWHERE = set(  # of dtypes, without arrays; and what has shapes that depend on numbers
    "astype can_cast finfo iinfo isdtype result_type broadcast_shapes from_dlpack nonzero unique_all unique_counts "
    "unique_inverse unique_values eig eigvals".split()
)


def test_every_name_of_the_standard_is_a_case():
    import array_api_strict as strict

    spaces = {"": strict, "linalg.": strict.linalg, "fft.": strict.fft}
    names = {
        f"{prefix}{name}"
        for prefix, space in spaces.items()
        for name in space.__all__
        if callable(getattr(space, name)) and not isinstance(getattr(space, name), type) and name not in ELSEWHERE
    }
    own = {name for name in names if not name.startswith("__") and "array_api_strict" not in name}
    own -= set("set_array_api_strict_flags reset_array_api_strict_flags get_array_api_strict_flags".split())
    own -= {"Device", "get_namespace_info"}
    dtypes = {name for name in own if type(getattr(strict, name, None)).__name__ == "DType"}
    assert own - dtypes - CASES.keys() == set()
    assert {f"linalg.{name}" for name in LINALG_RULES} | {f"fft.{name}" for name in FFT_RULES}  # what there is to cover


# A training step allocates nothing


def network(sizes, batch, dtype="float32", optimizer=lambda model: optim.Adam(model, learning_rate=1e-3)):
    """Model, optimizer, step, and arguments: classes if the last size is above 1."""
    layers = [part for m, n in pairwise(sizes) for part in (nn.Linear(m, n), nn.ReLU())]
    model = nn.Sequential(*layers[:-1]).initialize(seed=0).to(dtype=dtype)
    chosen, rng = optimizer(model), numpy.random.default_rng(1)
    x = rng.normal(size=(batch, sizes[0])).astype(dtype)
    binary = sizes[-1] == 1
    t = rng.integers(0, sizes[-1], batch) if not binary else (rng.random((batch, 1)) > 0.5).astype(dtype)
    loss_of = nn.binary_cross_entropy_with_logits if binary else nn.cross_entropy
    loss_and_gradients = xpnn.value_and_grad(lambda model, x, t: loss_of(model(x), t))

    def step(x, t):
        loss, gradients = loss_and_gradients(model, x, t)
        chosen.step(gradients)
        return loss

    return model, chosen, step, x, t


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("sizes", [(30, 32, 16, 1), (64, 100, 10), (70, 1000, 3)])
def test_a_step_of_adam_allocates_nothing(sizes, exact):
    model, optimizer, step, x, t = network(sizes, 512)
    fast = xpnn.compile(step, state=(model, optimizer), exact=exact)
    for _ in range(5):
        fast(x, t)
    plan = fast.plan()
    assert plan.executor.allocating == set()
    assert _allocated(plan, x, t) < 1500, "the smallest array of the step has 2048 bytes"


def _allocated(plan, *args):
    """The bytes by which memory grows at most while a plan is replayed."""
    tracemalloc.start()
    plan.replay(args)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    plan.replay(args)
    grown = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return grown


@pytest.mark.parametrize("name", ["sort", "exp"])
def test_an_array_that_is_allocated_in_a_replay_is_seen(name):
    fast, x = xpnn.compile(lambda x: xpnn.namespace_of(x).sum(of(name)(x + 1))), RNG.random(1000)
    for _ in range(3):
        fast(x)
    assert fast.plan().executor.allocating == ({"sort"} if name == "sort" else set())
    assert (_allocated(fast.plan(), x) > 8000) == (name == "sort")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(5, 4, 1), (6, 30, 10), (40, 3), (300, 300, 12)])
def test_exact_training_has_every_bit_of_the_plain_one(sizes, dtype):
    plain_model, _, plain, x, t = network(sizes, 80, dtype)
    model, optimizer, step, _, _ = network(sizes, 80, dtype)
    fast = xpnn.compile(step, state=(model, optimizer), exact=True)
    for _ in range(6):
        assert plain(x, t) == fast(x, t)
    for a, b in zip(plain_model.state_dict().values(), model.state_dict().values(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_training_with_sums_in_another_order_stays_close():
    plain_model, _, plain, x, t = network((64, 100, 10), 200)
    model, optimizer, step, _, _ = network((64, 100, 10), 200)
    fast = xpnn.compile(step, state=(model, optimizer))
    losses = [(plain(x, t), fast(x, t)) for _ in range(6)]
    # sums of 200 float32 in another order: some 200 roundings of 6e-8, which Adam's division by the root can double
    numpy.testing.assert_allclose(*zip(*losses, strict=True), rtol=2e-5)
    for a, b in zip(plain_model.state_dict().values(), model.state_dict().values(), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


# Results and arguments


def test_a_result_is_not_written_into_by_the_next_replay():
    fast = xpnn.compile(lambda x: (x * 2, x + 1))
    results = [fast(numpy.full((100, 10), float(n))) for n in range(6)]
    for n, (double, more) in enumerate(results):
        assert (double == 2 * n).all()
        assert (more == n + 1).all()


def test_a_result_that_is_given_twice_is_two_arrays():
    fast = xpnn.compile(lambda x: (lambda y: (y, y))(x * 2))
    for _ in range(4):
        a, b = fast(numpy.ones(3))
    assert (a == b).all()


LAYOUTS = {
    "rows": lambda x: x,
    "columns": numpy.asfortranarray,
    "every other": lambda x: numpy.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "one number": lambda x: numpy.broadcast_to(x[0, 0], x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arguments_in_any_layout(layout):
    x, w = LAYOUTS[layout](RNG.normal(size=(40, 6))), RNG.normal(size=(6, 5))

    def step(x):
        xp = xpnn.namespace_of(x)
        y = xp.maximum(x @ w, 0.0)
        return y, xp.sum(y, axis=0), xp.max(y, axis=1), xp.reshape(x, (-1,)) * 2, x.T @ y

    fast = xpnn.compile(step, exact=True)
    pairs = [(step(x), fast(x)) for _ in range(4)]
    assert_equal(pairs)


def test_another_layout_of_the_same_shape_gives_the_same_bits():
    x, w = RNG.normal(size=(40, 30)).astype("f4"), RNG.normal(size=(30, 20)).astype("f4")
    fast = xpnn.compile(lambda x: x @ w, exact=True)
    for _ in range(4):
        fast(x)
    for layout in LAYOUTS.values():
        assert (fast(layout(x)) == layout(x) @ w).all()


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), ()])
def test_empty_and_0d_arguments(shape):
    def step(x):
        xp = xpnn.namespace_of(x)
        y = xp.exp(xp.maximum(x * 2 + 1, 0.0)) / 3
        return y, xp.sum(y), xp.astype(y > 1, y.dtype), -y

    assert_equal(replays(step, numpy.asarray(RNG.normal(size=shape)))[1])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_integers(dtype):
    def step(x):
        xp = xpnn.namespace_of(x)
        y = x * 3 + 1
        y += 1
        return y, xp.sum(y), xp.max(y, axis=0), y < 7, xp.astype(y, xp.float32), xp.maximum(y, 5), y // 2

    assert_equal(replays(step, RNG.integers(0, 20, (5, 4)).astype(dtype))[1])


def test_a_comparison_with_an_integer_that_the_dtype_cannot_hold():
    step = lambda x: (x < 1000, x > -1)  # noqa: E731
    assert_equal(replays(step, numpy.arange(5, dtype="uint8"))[1])


def test_a_bias_of_one_number():
    state = {"b": numpy.asarray([0.5])}

    def step(x):
        state["b"] += 1.0
        return x + state["b"]

    fast = xpnn.compile(step, state=state)
    results = [float(fast(numpy.zeros((3, 1)))[0, 0]) for _ in range(5)]
    assert results == [1.5, 2.5, 3.5, 4.5, 5.5]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_wrong_labels_raise_in_a_replay(dtype):
    model, optimizer, step, x, t = network((6, 5, 4), 50)
    t, fast = t.astype(dtype), xpnn.compile(step, state=(model, optimizer))
    for _ in range(4):
        fast(x, t)
    for wrong in (4, 100, *([-1] if dtype != "uint8" else [])):
        bad = t.copy()
        bad[7] = wrong
        with pytest.raises(ValueError, match=f"labels from 0 to 3 for 4 classes, got {wrong}"):
            fast(x, bad)
    fast(x, t)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wrong_shares_raise_in_a_replay_and_minus_zero_does_not(dtype):
    model, optimizer, step, x, t = network((6, 5, 1), 50, dtype)
    fast = xpnn.compile(step, state=(model, optimizer))
    for _ in range(4):
        fast(x, t)
    for right in (0.0, -0.0, 1.0, 5e-324, 0.3):
        t[7] = right
        fast(x, t)
    for wrong in (-1e-30, 1.0000002, 2.0, -0.5, numpy.nan, numpy.inf):
        t[7] = wrong
        with pytest.raises(ValueError, match="targets from 0 to 1"):
            fast(x, t)


def test_negative_indices_of_elements_in_rows():
    index = numpy.asarray([[0], [-1], [2]])
    step = lambda x, i: xpnn.namespace_of(x).take_along_axis(x + 1, i, axis=-1)  # noqa: E731
    fast = xpnn.compile(step)
    for _ in range(4):
        assert fast(F[:3], index).tolist() == step(F[:3], index).tolist()
    with pytest.raises(IndexError):
        fast(F[:3], index + 5)


def test_a_plan_names_what_allocates():
    fast, _ = replays(lambda x: xpnn.namespace_of(x).sort(x + 1), F)
    assert fast.plan().executor.allocating == {"sort"}


def test_rewrites_none_replays_too():
    model, optimizer, step, x, t = network((6, 5, 4), 50)
    _, _, plain, _, _ = network((6, 5, 4), 50)
    fast = xpnn.compile(step, state=(model, optimizer), rewriting=())
    for _ in range(5):
        assert fast(x, t) == plain(x, t)
    assert len(rewrites.ALL) > 4
