"""Rewrites that leave calls out: where they help, where they must keep off, the same numbers with and without."""

import numpy
import pytest
from compiler_twins import names, planned

import xpnn
from xpnn import nn, optim
from xpnn.compiler import rewrites

RNG = numpy.random.default_rng(0)
X = RNG.normal(size=(40, 6))


def training(layers, x, t, loss_of, optimizer, rewriting, dtype="float32"):
    """Losses and the last state of eight compiled steps."""
    model = nn.Sequential(*layers()).initialize(seed=0).to(dtype=dtype)
    chosen = optimizer(model)
    loss_and_gradients = xpnn.value_and_grad(lambda model, x, t: loss_of(model(x), t))

    def step(x, t):
        loss, gradients = loss_and_gradients(model, x, t)
        chosen.step(gradients)
        return loss

    if rewriting is None:
        return [step(x, t) for _ in range(8)], model.state_dict()
    fast = xpnn.compile(step, state=(model, chosen), rewriting=rewriting)
    return [fast(x, t) for _ in range(8)], model.state_dict()


def numbers(*shape, dtype="float32"):
    return RNG.normal(size=shape).astype(dtype)


NETWORKS = {
    "binary": (
        lambda: [nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 1)], numbers(40, 30),
        (RNG.random((40, 1)) > 0.5).astype("float32"), nn.binary_cross_entropy_with_logits, optim.Adam,
    ),
    "labels": (
        lambda: [nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 5)], numbers(50, 20), RNG.integers(0, 5, 50),
        nn.cross_entropy, lambda model: optim.AdamW(model, learning_rate=optim.warmup(1e-2, steps=3)),
    ),
    "shares": (
        lambda: [nn.Linear(20, 30), nn.GELU(), nn.Linear(30, 5)], numbers(50, 20),
        RNG.dirichlet(numpy.ones(5), 50).astype("float32"), nn.cross_entropy,
        lambda model: optim.SGD(model, learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    "large": (
        lambda: [nn.Linear(300, 280), nn.ReLU(), nn.Linear(280, 3)], numbers(256, 300), numbers(256, 3),
        nn.squared_error, optim.Adam,
    ),
    "stacked": (
        lambda: [nn.Linear(6, 10), nn.Sigmoid(), nn.Dropout(0.2), nn.Linear(10, 3)], numbers(4, 5, 6),
        numbers(4, 5, 3), nn.squared_error, optim.SGD,
    ),
}  # fmt: skip


def optimizer_of(make):
    return make if not isinstance(make, type) else lambda model: make(model, learning_rate=1e-2)


@pytest.mark.parametrize("without", [None, *rewrites.ALL], ids=lambda r: getattr(r, "__name__", "all"))
@pytest.mark.parametrize("network", NETWORKS)
def test_the_bits_are_those_of_the_plain_step_with_all_rewrites_and_without_each(network, without):
    *parts, optimizer = NETWORKS[network]
    chosen = [rewrite for rewrite in rewrites.ALL if rewrite is not without]
    losses, state = training(*parts, optimizer_of(optimizer), None)
    fast_losses, fast_state = training(*parts, optimizer_of(optimizer), chosen)
    assert losses == fast_losses
    for a, b in zip(state.values(), fast_state.values(), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("rewrite", [*rewrites.ALL, *rewrites.LOOSE], ids=lambda rewrite: rewrite.__name__)
@pytest.mark.parametrize("network", NETWORKS)
def test_each_rewrite_alone(network, rewrite):
    *parts, optimizer = NETWORKS[network]
    losses, state = training(*parts, optimizer_of(optimizer), None)
    fast_losses, fast_state = training(*parts, optimizer_of(optimizer), [rewrite])
    # in another order, sums of up to 256 float32 differ by some 1e-6 of their terms; Adam's quotients, where a gradient
    # is near 0, by more of the step of 0.01
    exact = rewrite in rewrites.ALL
    numpy.testing.assert_allclose(losses, fast_losses, rtol=0 if exact else 1e-4)
    for a, b in zip(state.values(), fast_state.values(), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=0, atol=0 if exact else 2e-3)


# drop_dead


def test_what_nobody_needs_is_left_out():
    def step(x):
        xp = xpnn.namespace_of(x)
        xp.exp(x)
        y = x + 1
        xp.reshape(y, (-1,))
        return y

    assert names(planned(step, X, rewriting=[rewrites.drop_dead])[0]) == ["add"]


def test_a_write_through_a_view_is_needed():
    def step(x):
        y = x + 1
        y[0, :] = 0.0
        part = y[1:, :]
        part += 1.0
        return y

    _, result = planned(step, X)
    assert (result == step(X)).all()


def test_writes_to_state_stay():
    state = {"n": numpy.zeros(())}

    def step(x):
        state["n"][...] = state["n"] + 1
        return x + 1

    planned(step, X, state=state, calls=5)
    assert state["n"] == 5


# fold_constants


def test_the_gradient_of_a_loss_by_itself_is_made_once():
    weight = numpy.ones(6)

    def step(x):
        return xpnn.grad(lambda x: xpnn.namespace_of(x).sum(x * x * weight) / 10)(x)

    unfolded, _ = planned(step, X, rewriting=[rewrites.drop_dead])
    folded, result = planned(step, X)
    assert "pow" in names(unfolded)
    assert "pow" not in names(folded)
    assert (result == step(X)).all()


def test_a_power_by_0_of_nan_is_1_and_by_an_array_is_not_folded():
    plan, result = planned(lambda x: (x**0, x ** xpnn.namespace_of(x).zeros_like(x)), numpy.asarray([numpy.nan, 0.0]))
    assert [part.tolist() for part in result] == [[1.0, 1.0], [1.0, 1.0]]
    plan, _ = planned(lambda x, n: x**n, X, numpy.asarray(0.0))
    assert names(plan) == ["pow"]


def test_ones_that_are_written_into_are_made_anew():
    def step(x):
        y = xpnn.namespace_of(x).ones_like(x)
        y += x
        return y

    _, result = planned(step, X, calls=6)
    assert (result == 1 + X).all()


# share_equal


def test_equal_calls_become_one():
    def step(x):
        xp = xpnn.namespace_of(x)
        return xp.exp(-xp.abs(x)) + 1, xp.exp(-xp.abs(x)) * 2

    plan, result = planned(step, X)
    assert names(plan).count("exp") == 1
    for a, b in zip(result, step(X), strict=True):
        assert (a == b).all()


def test_calls_with_other_options_stay_two():
    step = lambda x: [xpnn.namespace_of(x).sum(x, axis=axis) for axis in (0, 1, 0)]  # noqa: E731
    plan, result = planned(step, X)
    assert names(plan).count("sum") == 2
    for a, b in zip(result, step(X), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-12)


def test_minus_zero_is_another_number_than_zero():
    step = lambda x: (x * 0.0, x * -0.0)  # noqa: E731
    _, (a, b) = planned(step, numpy.ones(3))
    assert numpy.signbit(a).tolist() == [False] * 3
    assert numpy.signbit(b).tolist() == [True] * 3


def test_calls_on_an_array_that_changed_between_them_stay_two():
    state = {"w": numpy.ones(3)}

    def step(x):
        xp = xpnn.namespace_of(x)
        before = xp.exp(state["w"])
        state["w"] += 1.0
        after = xp.exp(state["w"])
        return after - before

    plan, result = planned(step, X, state=state)
    assert names(plan).count("exp") == 2
    assert (result != 0).all()


def test_calls_whose_results_are_written_into_stay_two():
    def step(x):
        a, b = x + 1, x + 1
        a *= 2.0
        return a, b

    _, (a, b) = planned(step, X)
    assert (a == 2 * b).all()


@pytest.mark.parametrize("power", [0.5, -1, 2])
def test_powers_by_operator_and_by_function_are_shared_only_if_they_are_the_same(power):
    def step(x):
        total = xpnn.namespace_of(x).sum(x)
        return total**power, xpnn.namespace_of(x).pow(total, power)

    fast = xpnn.compile(step, exact=True)
    for n in range(100):
        x = numpy.random.default_rng(n).random((3,))
        assert numpy.asarray(fast(x)).tobytes() == numpy.asarray(step(x)).tobytes()


@pytest.mark.parametrize("make", ["ones_like", "zeros_like", "pow"])
def test_constants_have_the_recorded_order_of_axes(make):
    state = {"w": numpy.ones((40, 6))}

    def step(x):
        xp = xpnn.namespace_of(x)
        turned = xp.matrix_transpose(x)
        y = turned**0 if make == "pow" else getattr(xp, make)(turned)
        return xp.reshape(xp.matrix_transpose(y), (-1,)) * 2 + state["w"][0, 0]  # a view of the transposed one

    _, result = planned(step, X, state=state)
    assert (result == step(X)).all()


def test_random_numbers_are_not_shared():
    layer = nn.Dropout(0.5)
    plan, _ = planned(lambda x: layer(x) - layer(x), X, state=layer)
    assert sum("mask" in name for name in names(plan)) == 2


# write_straight


def test_all_gradients_are_made_in_the_flat_array():
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))
    optimizer = optim.SGD(model, learning_rate=0.1)
    loss_and_gradients = xpnn.value_and_grad(lambda model, x: nn.squared_error(model(x), x[:, :1]))

    def step(x):
        loss, gradients = loss_and_gradients(model, x)
        optimizer.step(gradients)
        return loss

    plan, _ = planned(step, X.astype("float32"), state=(model, optimizer))
    assert "setitem" not in names(plan)
    assert sum(call.whole for call in plan.program.calls) == 4


@pytest.mark.parametrize("twice", [False, True])
def test_a_copy_stays_if_the_old_numbers_are_read_before_it(twice):
    state = {"g": numpy.zeros((40, 6))}

    def step(x):
        new = x * 2
        change = (new if twice else 2 * x) - state["g"]
        state["g"][...] = new
        return change

    fast = xpnn.compile(step, state=state)
    changes = [fast(n * X) for n in range(5)]
    for n in range(1, 5):
        numpy.testing.assert_allclose(changes[n], 2 * X, rtol=1e-12)


@pytest.mark.parametrize("part", [False, True], ids=["whole", "part"])
def test_a_result_is_copied_into_an_argument(part):
    def step(x, y):
        target = x[1:, :] if part else x
        target[...] = (y @ y)[1:, :] * 2 if part else y @ y
        return y + 0

    fast = xpnn.compile(step, exact=True)
    for n in range(5):
        x, other, y = numpy.zeros((6, 6)), numpy.zeros((6, 6)), RNG.normal(size=(6, 6)) + n
        fast(x, y), step(other, y)
        assert x.tobytes() == other.tobytes()


@pytest.mark.parametrize("layout", [numpy.asfortranarray, lambda x: numpy.repeat(x, 2, axis=1)[:, ::2]])
def test_a_result_goes_to_a_place_in_another_layout_with_the_same_bits(layout):
    sides = []
    for compiled in (False, True):
        state = {"g": layout(numpy.zeros((50, 4), dtype="float32")), "s": layout(numpy.zeros((300, 4)))}

        def step(x, y, state=state):
            xp = xpnn.namespace_of(x)
            state["g"][...] = x @ y
            state["s"][...] = xp.sin(xp.astype(y, xp.float64))
            return x + 0

        sides.append((state, xpnn.compile(step, state=state, exact=True) if compiled else step))
    generator = numpy.random.default_rng(0)
    for _ in range(5):
        x, y = generator.normal(size=(50, 300)).astype("f4"), generator.normal(size=(300, 4)).astype("f4")
        for _, step in sides:
            step(x, y)
        assert all(numpy.array_equal(sides[0][0][name], sides[1][0][name]) for name in "gs")


def test_a_copy_stays_if_the_result_is_written_into_before_it():
    state = {"g": numpy.zeros((40, 6))}

    def step(x):
        new = x * 2
        new[0, :] = 5.0
        state["g"][...] = new
        return x + 0

    planned(step, X, state=state)
    assert (state["g"][0] == 5).all()
    assert (state["g"][1:] == 2 * X[1:]).all()


def test_a_copy_stays_if_the_result_is_read_elsewhere():
    state = {"g": numpy.zeros((40, 6))}

    def step(x):
        new = x * 2
        state["g"][...] = new
        state["g"] += 1.0
        return new

    _, result = planned(step, X, state=state)
    assert (result == 2 * X).all()


def test_a_result_that_reads_what_it_would_overwrite_is_copied():
    state = {"g": numpy.ones((6, 6))}

    def step(x):
        state["g"][...] = state["g"] @ x
        return x + 0

    x = RNG.normal(size=(6, 6))
    planned(step, x, state=state, calls=5)
    expected = numpy.ones((6, 6))
    for _ in range(5):
        expected = expected @ x
    numpy.testing.assert_allclose(state["g"], expected, rtol=1e-12)
