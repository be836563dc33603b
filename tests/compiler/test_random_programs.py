"""Random small programs, plain against compiled: elementwise calls, sums, products, views, writes, replaced state.

Each program runs five times on both sides, with other numbers each time, on arguments and state in any layout, which
may overlap. With `exact=True` all results, arguments and state must have the same bits. Sums in another order cannot be
compared to the last bit, but where all numbers are small integers they are exact in any order.

Larger arrays take other ways (in blocks, by columns), so those start at tiny sizes in half of the programs.
"""

import numpy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import xpnn
from xpnn.compiler import numpy_blocks
from xpnn.compiler.rewrites import faster

CALLS = 5  # two are recorded, three replayed
NUMBERS = (2, 0.5, -1, 0, 3, -0.0, 1.0, True, numpy.float32(0.1), numpy.float64(3.7), numpy.int64(2))
POWERS = (2, 0.5, -1, 0, 3, 1, 2.0, -1.0, 1.5)
SHAPES = ((3, 4), (4,), (3, 1), (1, 4), (4, 3), (), (4, 4), (1,), (2, 3, 4), (0, 4), (1, 1), (12, 20), (130,), (20, 12))
DTYPES = ("float64", "float64", "float32", "int64", "int8", "bool")
LAYOUTS = ("rows", "columns", "gaps", "backwards", "one row", "read-only")

UNARY = "exp tanh sin negative abs square floor sign isnan reciprocal sqrt log1p round expm1 positive".split()
BINARY = "add subtract multiply divide maximum minimum atan2 hypot floor_divide remainder copysign logaddexp".split()
COMPARISONS = "less less_equal equal greater not_equal".split()
REDUCTIONS = "sum max min mean prod std any argmax cumulative_sum".split()
EXACT = {  # on small integers: the same in any order
    "unary": "negative abs square floor sign positive".split(),
    "binary": "add subtract multiply maximum minimum".split(),
    "reduction": "sum max min".split(),
    "with_number": (2, -1, 0, 3, -0.0, 1.0, True, numpy.float64(2), numpy.int64(2)),
}


# Steps of a program: each takes the pool of arrays so far, and adds to it or writes into it


def _pick(pool, n):
    return n % len(pool)


def unary(xp, pool, names, a, b, c):
    pool.append(getattr(xp, names[b % len(names)])(pool[_pick(pool, a)]))


def binary(xp, pool, names, a, b, c):
    pool.append(getattr(xp, names[c % len(names)])(pool[_pick(pool, a)], pool[_pick(pool, b)]))


def by_operator(xp, pool, names, a, b, c):
    x, y = pool[_pick(pool, a)], pool[_pick(pool, b)]
    pool.append([lambda: x + y, lambda: x - y, lambda: x * y, lambda: x < y, lambda: x >= y][c % 5]())


def with_number(xp, pool, names, a, b, c):
    x, number = pool[_pick(pool, a)], names[b % len(names)]
    ways = [
        lambda: x + number, lambda: number * x, lambda: x - number, lambda: x < number, lambda: xp.maximum(x, number),
        lambda: number - x, lambda: xp.where(x > number, x, number), lambda: x == number,
    ]  # fmt: skip
    pool.append(ways[c % len(ways)]())


def divided(xp, pool, names, a, b, c):
    x, number = pool[_pick(pool, a)], NUMBERS[b % len(NUMBERS)]
    pool.append([lambda: x / number, lambda: number / x, lambda: x // number, lambda: x % number][c % 4]())


def power(xp, pool, names, a, b, c):
    x, number = pool[_pick(pool, a)], POWERS[b % len(POWERS)]
    pool.append([lambda: x**number, lambda: xp.pow(x, number), lambda: 2.0**x][c % 3]())


def product(xp, pool, names, a, b, c):
    x, y = pool[_pick(pool, a)], pool[_pick(pool, b)]
    pool.append(
        [lambda: x @ y, lambda: xp.matmul(xp.matrix_transpose(x), y), lambda: x @ xp.matrix_transpose(y)][c % 3]()
    )


def reduction(xp, pool, names, a, b, c):
    x, name = pool[_pick(pool, a)], names[b % len(names)]
    axis = (None, 0, -1, (0, 1))[c % 4]
    if name == "any" or name.startswith("cumulative") or (name == "argmax" and type(axis) is tuple):
        axis = 0
    options = {} if name.startswith("cumulative") else {"keepdims": c % 5 == 0}
    pool.append(getattr(xp, name)(x, axis=axis, **options))


def view(xp, pool, names, a, b, c):
    x = pool[_pick(pool, a)]
    ways = [
        lambda: xp.reshape(x, (-1,)), lambda: xp.matrix_transpose(x), lambda: x[1:], lambda: x[::-1], lambda: x[::2],
        lambda: x[..., 0], lambda: x[:, None], lambda: xp.expand_dims(x, axis=0), lambda: xp.flip(x, axis=-1),
        lambda: xp.broadcast_to(x, (3, *x.shape)), lambda: xp.squeeze(x, axis=0), lambda: x[...], lambda: x[1],
        lambda: xp.reshape(x, (*x.shape, 1)), lambda: xp.moveaxis(x, 0, -1), lambda: xp.astype(x, x.dtype, copy=False),
        lambda: xp.asarray(x), lambda: xp.permute_dims(x, tuple(range(x.ndim))[::-1]),
    ]  # fmt: skip
    pool.append(ways[b % len(ways)]())


def made(xp, pool, names, a, b, c):
    x, y = pool[_pick(pool, a)], pool[_pick(pool, c)]
    ways = [
        lambda: xp.zeros_like(x), lambda: xp.ones_like(x), lambda: xp.full_like(x, 2), lambda: x**0,
        lambda: xp.asarray(x, copy=True), lambda: xp.concat([x, y]), lambda: xp.stack([x, y]), lambda: xp.sort(x),
        lambda: xp.astype(x, xp.float64), lambda: xp.astype(x, xp.float32), lambda: xp.astype(x > 0, xp.int64),
        lambda: xp.unstack(x, axis=-1)[0], lambda: xp.unstack(x)[-1], lambda: xp.broadcast_arrays(x, y)[0],
        lambda: xp.take(x, xp.asarray([0, 0])), lambda: xp.ones(x.shape), lambda: xp.arange(4.0) + x,
        lambda: xp.where(x > y, x, y), lambda: xp.roll(x, 1), lambda: xp.tile(x, (2,)), lambda: xp.clip(x, -1, 1),
        lambda: xp.linalg.diagonal(x), lambda: xp.zeros((3, 4)),
    ]  # fmt: skip
    pool.append(ways[b % len(ways)]())


def write(xp, pool, names, a, b, c):
    target, y = _pick(pool, a), pool[_pick(pool, b)]
    if c % 3 == 0:
        y = NUMBERS[b % 7]
    keys = [..., slice(1, None), slice(None, None, 2), (..., 0), slice(None, None, -1), 0]
    pool[target][keys[c % len(keys)]] = y


def write_result(xp, pool, names, a, b, c):
    target, y = _pick(pool, a), pool[_pick(pool, b)]
    if c % 3 == 0:
        y = NUMBERS[b % 7]
    x = pool[target]
    if c % 4 == 0:
        x += y
    elif c % 4 == 1:
        x *= y
    elif c % 4 == 2:
        x -= y
    else:
        x[1:] += x[:-1]
    pool[target] = x  # a number of NumPy's is another one now


KINDS = {
    function.__name__: function
    for function in (
        unary, binary, by_operator, with_number, divided, power, product, reduction, view, made, write, write_result,
    )
}  # fmt: skip
ALL_NAMES = {"unary": UNARY, "binary": BINARY + COMPARISONS, "reduction": REDUCTIONS, "with_number": NUMBERS}
EXACT_KINDS = [kind for kind in KINDS if kind not in ("divided", "power")]

numbers = st.integers(0, 60)


def lines(kinds):
    return st.lists(st.tuples(st.sampled_from(kinds), numbers, numbers, numbers), min_size=1, max_size=14)


arrays = st.tuples(st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.sampled_from(LAYOUTS))
givens = st.lists(arrays, min_size=1, max_size=3)
outcomes = st.lists(numbers, min_size=0, max_size=3)
shares = st.sampled_from(["", "", "", "same", "overlap", "state", "state view"])


# Arguments and state


def laid_out(values, layout):
    """A new array with these numbers, in a layout; its memory may be larger."""
    if layout == "columns":
        return numpy.asfortranarray(values)
    if layout == "gaps" and values.ndim:
        return numpy.repeat(values, 2, axis=-1)[..., ::2]
    if layout == "backwards" and values.ndim:
        return values[::-1].copy()[::-1]
    if layout == "one row" and values.ndim > 1 and values.shape[0]:
        return numpy.broadcast_to(values[0].copy(), values.shape)
    values = numpy.array(values)
    values.flags.writeable = layout != "read-only"
    return values


def drawn(rng, shape, dtype, small):
    """Numbers of all kinds, or small integers whose sums and products are exact."""
    if dtype == "bool":
        return numpy.asarray(rng.random(shape) > 0.5)
    if small or "int" in dtype:
        return numpy.asarray(rng.integers(-3, 4, shape)).astype(dtype)
    x = numpy.asarray(rng.normal(size=shape)).astype(dtype)
    special = rng.choice([numpy.nan, numpy.inf, -numpy.inf, 0.0, -0.0, 1e-310], size=shape).astype(dtype)
    return numpy.where(rng.random(shape) < 0.05, special, x)


def arguments(rng, described, sharing, state, small):
    found = [laid_out(drawn(rng, shape, dtype, small), layout) for shape, dtype, layout in described]
    first = found[0]
    if sharing == "same":
        found.append(first)
    if sharing == "overlap":
        base = drawn(rng, 10, "float64", small)
        found += [base[:6], base[3:9]]
    if sharing == "state":
        found.append(state["w"])
    if sharing == "state view":
        found.append(state["w"][::-1, 1:])
    return found


def fresh_state(small):
    rng = numpy.random.default_rng(7)
    state = {
        "w": drawn(rng, (3, 4), "float64", small), "b": drawn(rng, 4, "float32", small),
        "n": numpy.zeros((), dtype="int64"),
        "t": numpy.asfortranarray(drawn(rng, (4, 4), "float64", small)), "s": numpy.asarray(1.0),
    }  # fmt: skip
    flat = numpy.zeros(16)
    return {**state, "flat": flat, "part": flat[4:8], "matrix": flat[:12].reshape(3, 4)}


def run(line, xp, pool, state, names):
    kind, a, b, c = line
    if kind != "rebind":
        KINDS[kind](xp, pool, names.get(kind), a, b, c)
        return
    name = "wbn"[a % 3]  # not one that shares memory: others would see what is written into it
    like = [x for x in pool if x.shape == state[name].shape and x.dtype == state[name].dtype]
    new = xp.zeros(state[name].shape, dtype=state[name].dtype)  # in the old one's order of axes, as in a plan
    new[...] = like[b % len(like)]  # a copy: in the plain step the very array would be shared
    state[name] = new


def step_of(program, outcome, state, names):
    def step(*args):
        xp = xpnn.namespace_of(*args)
        pool = [*args, *state.values()]
        for line in program:
            run(line, xp, pool, state, names)
        return [pool[-1 - n % len(pool)] for n in outcome]

    return step


REFUSALS = (ValueError, TypeError, IndexError, numpy.exceptions.AxisError, AttributeError, OverflowError)


def works(program, described, sharing, names, small):
    """The lines of a program that can be run at all: what does not broadcast, say, is left out."""
    kept, state = [], fresh_state(small)
    args = arguments(numpy.random.default_rng(0), described, sharing, state, small)
    pool, xp = [*args, *state.values()], xpnn.namespace_of(*args)
    for line in program:
        if line[0] == "rebind" and "state" in sharing:
            continue  # the argument would be written into
        before = list(pool)
        try:
            run(line, xp, pool, state, names)
        except REFUSALS:
            continue
        if pool[-1].size > 5000:
            pool[:] = before
        else:
            kept.append(line)
    return kept


def compare(program, outcome, described, sharing, *, names, exact, small=False):
    with numpy.errstate(all="ignore"):
        program = works(program, described, sharing, names, small)
        assume(program)
        state, other = fresh_state(small), fresh_state(small)
        step = step_of(program, outcome, state, names)
        fast = xpnn.compile(step_of(program, outcome, other, names), state=other, exact=exact)
        earlier = []
        for call in range(CALLS):
            pair = [arguments(numpy.random.default_rng(call), described, sharing, s, small) for s in (state, other)]
            try:
                plain = step(*pair[0])
            except (OverflowError, ValueError):  # infinity or NaN into integers
                assume(False)
            try:
                found = fast(*pair[1])
            except xpnn.CannotRecord as problem:
                if "shares memory with another by a function" not in str(problem):
                    raise
                assume(False)
            require_same(plain, found, exact, "results")
            require_same(pair[0], pair[1], exact, "arguments")
            require_same(list(state.values()), list(other.values()), exact, "state")
            for x, copy in earlier:
                assert same_bits(x, copy), "a later step wrote into a result"
            held = [*pair[1], *other.values()]
            own = [x for x in found if not any(numpy.may_share_memory(x, y) for y in held)]
            earlier += [(x, numpy.copy(x)) for x in own] if call >= 2 else []
        assert fast.plan() is not None


def require_same(plain, found, exact, what):
    for n, (a, b) in enumerate(zip(plain, found, strict=True)):
        assert type(a) is type(b) or what == "state", what
        assert a.dtype == b.dtype, what
        assert a.shape == b.shape, what
        if exact:
            assert same_bits(a, b), (what, n, a, b)
        else:
            assert numpy.array_equal(a, b, equal_nan=a.dtype.kind == "f"), (what, n, a, b)


def same_bits(a, b):
    """Equal bits, but for the sign of NaN, which has no meaning."""
    if numpy.asarray(a).dtype.kind == "f":
        a, b = (numpy.where(numpy.isnan(x), numpy.nan, x) for x in (a, b))
    return numpy.asarray(a).tobytes() == numpy.asarray(b).tobytes()


@pytest.fixture(params=["as they are", "tiny"], ids=["as-they-are", "tiny"])
def sizes(request, monkeypatch):
    """From what size on arrays are computed in another way."""
    if request.param == "tiny":
        monkeypatch.setattr(faster, "LARGE", 4)
        monkeypatch.setattr(faster, "ROWS", 2)
        monkeypatch.setattr(numpy_blocks, "BYTES", 40)


repeatable = settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@repeatable
@given(lines([*KINDS, "rebind"]), outcomes, givens, shares)
def test_exact_steps_have_every_bit_of_the_plain_step(sizes, program, outcome, described, sharing):
    compare(program, outcome, described, sharing, names=ALL_NAMES, exact=True)


@repeatable
@given(lines([*EXACT_KINDS, "rebind"]), outcomes, givens, shares)
def test_steps_are_those_of_the_plain_step_where_all_sums_are_exact(sizes, program, outcome, described, sharing):
    described = [(shape, "float64" if "float" in dtype else dtype, layout) for shape, dtype, layout in described]
    compare(program, outcome, described, sharing, names=EXACT, exact=False, small=True)
