"""L-BFGS against PyTorch's iterates and SciPy's minimum, and what it does where a loss is no good."""

import copy

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host

RNG = numpy.random.default_rng(4)
X, T = RNG.standard_normal((20, 3)), RNG.standard_normal((20, 2))
OPTIONS = {  # ours, PyTorch's
    "default": ({}, {}),
    "shorter": ({"learning_rate": 0.3}, {"lr": 0.3}),
    "little memory": ({"history": 2, "iterations": 5}, {"history_size": 2, "max_iter": 5}),
    "few evaluations": ({"evaluations": 4}, {"max_eval": 4}),
    "tolerant": (
        {"gradient_tolerance": 1e-2, "change_tolerance": 1e-4},
        {"tolerance_grad": 1e-2, "tolerance_change": 1e-4},
    ),
}


def network(dtype="float64"):
    return nn.Sequential(nn.Linear(3, 4, dtype=dtype), nn.Tanh(), nn.Linear(4, 2, dtype=dtype)).initialize(seed=2)


def loss(model):
    return nn.squared_error(model(X), T)


class Rosenbrock(nn.Module):
    """A curved valley with its lowest point at (1, ..., 1)."""

    def __init__(self, *start):
        self.x = nn.Parameter(numpy.asarray(start))

    def forward(self):
        xp = xpnn.namespace_of(self.x)
        head, tail = self.x[:-1], self.x[1:]
        return xp.sum(100.0 * (tail - head**2) ** 2 + (1.0 - head) ** 2)


@pytest.mark.parametrize("name", OPTIONS)
def test_iterates_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges this optimizer")
    options, theirs = OPTIONS[name]
    model = network()
    judge = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    judge.load_state_dict({key: torch.tensor(x) for key, x in model.state_dict().items()})
    ours, other = optim.LBFGS(model, **options), torch.optim.LBFGS(judge.parameters(), **theirs)

    def closure():
        other.zero_grad()
        value = torch.nn.functional.mse_loss(judge(torch.tensor(X)), torch.tensor(T))
        value.backward()
        return value

    for _ in range(2):
        numpy.testing.assert_allclose(ours.step(loss), float(other.step(closure).detach()), rtol=1e-9)
        for key, expected in judge.state_dict().items():
            # errors of 1e-16 grow along some dozen curved steps without a line search
            numpy.testing.assert_allclose(model.state_dict()[key], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("start", [(-1.2, 1.0), (0.0, 0.0, 0.0, 0.0), (-1.0, 2.0, -1.0)])
def test_the_line_search_finds_the_end_of_a_curved_valley(start):
    model = Rosenbrock(*start)
    optimizer = optim.LBFGS(model, line_search=True, iterations=200, change_tolerance=0.0)
    optimizer.step(lambda model: model())
    numpy.testing.assert_allclose(model.x, 1.0, rtol=1e-6)


def test_a_minimum_is_scipys():
    scipy = pytest.importorskip("scipy.optimize")
    labels = RNG.integers(0, 3, 20)
    model = nn.Linear(3, 3, dtype="float64").initialize(seed=1)

    def penalized(model):
        xp = xpnn.namespace_of(model.weight)
        return nn.cross_entropy(model(X), labels) + 0.1 * (xp.sum(model.weight**2) + xp.sum(model.bias**2))

    def of_vector(v):
        other = nn.Linear(3, 3, dtype="float64")
        other.weight[...], other.bias[...] = v[:9].reshape(3, 3), v[9:]
        value, g = xpnn.value_and_grad(penalized)(other)
        return value, numpy.concatenate([g.weight.ravel(), g.bias])

    expected = scipy.minimize(of_vector, numpy.zeros(12), jac=True, method="L-BFGS-B", tol=1e-14)
    optimizer = optim.LBFGS(model, line_search=True, iterations=100, change_tolerance=0.0)
    optimizer.step(penalized)
    numpy.testing.assert_allclose(penalized(model), expected.fun, rtol=1e-12)
    numpy.testing.assert_allclose(model.weight.ravel(), expected.x[:9], atol=1e-5)


def test_each_step_of_a_search_satisfies_wolfes_conditions():
    model = network()
    optimizer = optim.LBFGS(model, line_search=True, iterations=1, evaluations=50)
    for _ in range(20):
        before, start = xpnn.value_and_grad(loss)(model)
        start = numpy.concatenate([g.ravel() for g in start.parameters()])
        old = numpy.concatenate([p.ravel().copy() for p in model.parameters()])
        optimizer.step(loss)
        after, end = xpnn.value_and_grad(loss)(model)
        end = numpy.concatenate([g.ravel() for g in end.parameters()])
        change = numpy.concatenate([p.ravel() for p in model.parameters()]) - old
        assert after <= before + 1e-4 * (start @ change) + 1e-15
        assert abs(end @ change) <= 0.9 * abs(start @ change)


def test_it_runs_anywhere(elsewhere):
    here, there = network(), network().to(elsewhere)
    x, t = elsewhere.asarray(X), elsewhere.asarray(T)
    optim.LBFGS(here, line_search=True).step(loss)
    optim.LBFGS(there, line_search=True).step(lambda model: nn.squared_error(model(x), t))
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        numpy.testing.assert_allclose(a, to_host(b), rtol=1e-6)


def test_it_goes_on_from_its_state():
    model = network()
    optimizer = optim.LBFGS(model, iterations=7)
    optimizer.step(loss)
    again = copy.deepcopy(model)
    other = optim.LBFGS(again, iterations=7)
    other.load_state_dict(optimizer.state_dict())
    optimizer.step(loss)
    other.step(loss)
    assert all(numpy.array_equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    with pytest.raises(ValueError, match="does not fit this LBFGS"):
        optim.LBFGS(nn.Linear(300, 2)).load_state_dict(optimizer.state_dict())
    fresh = optim.LBFGS(model)
    fresh.load_state_dict(optim.LBFGS(model).state_dict())
    fresh.step(loss)


class Ends(nn.Module):
    """Squares of two vectors' distance from 1, each of its own weights."""

    def __init__(self, n=5):
        self.a, self.b = nn.Parameter(numpy.zeros(n)), nn.Parameter(numpy.zeros(5))

    def forward(self):
        xp = xpnn.namespace_of(self.a, self.b)
        return xp.sum((self.a - 1.0) ** 2 * numpy.arange(1.0, 1.0 + self.a.shape[0])) + 7 * xp.sum((self.b - 1.0) ** 2)


def changed_shape(model):
    model.a = nn.Parameter(numpy.zeros(7))


def changed_dtype(model):
    model.to(dtype="float32")


@pytest.mark.parametrize("change", [changed_shape, changed_dtype])
def test_other_parameters_are_a_fresh_start(change):
    model = Ends()
    optimizer = optim.LBFGS(model, iterations=3)
    optimizer.step(lambda model: model())
    change(model)
    again = copy.deepcopy(model)
    fresh = optim.LBFGS(again, iterations=3)
    for one in (optimizer, fresh):
        one.step(lambda model: model())
    assert optimizer.count == fresh.count
    assert all(numpy.array_equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_state_of_other_shapes_is_refused():
    optimizer = optim.LBFGS(Ends(5), iterations=3)
    optimizer.step(lambda model: model())
    with pytest.raises(ValueError, match="does not fit this LBFGS"):
        optim.LBFGS(Ends(7)).load_state_dict(optimizer.state_dict())
    optimizer.model.a = nn.Parameter(numpy.zeros(7))
    assert optimizer.state_dict()["a.remembered"].shape == (0, 7)


def test_other_optimizers_views_see_it():
    model = network()
    adam = optim.Adam(model)
    optim.LBFGS(model, line_search=True).step(loss)
    assert float(loss(model)) < float(loss(network()))
    adam.step(xpnn.grad(loss)(model))


def test_a_loss_that_is_not_finite():
    model = Rosenbrock(1.0, numpy.nan)
    with pytest.raises(FloatingPointError, match="a loss of nan"):
        optim.LBFGS(model).step(lambda model: model())
    # infinite beyond 1: the search comes back
    barrier = Rosenbrock(0.5, 0.0)
    with numpy.errstate(all="ignore"):
        optimizer = optim.LBFGS(barrier, line_search=True, learning_rate=100.0, iterations=50, change_tolerance=0.0)
        optimizer.step(lambda m: -xpnn.namespace_of(m.x).sum(xpnn.namespace_of(m.x).log(1.0 - m.x**2)))
    numpy.testing.assert_allclose(barrier.x, 0.0, atol=1e-6)


def test_a_step_to_where_the_loss_is_not_finite_is_taken_back():
    def root(model):
        xp = xpnn.namespace_of(model.x)
        return xp.sum(xp.sqrt(model.x - 0.5))

    model = Rosenbrock(1.0)
    with (
        numpy.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match="in iteration 1 of this step: use line_"),
    ):
        optim.LBFGS(model, learning_rate=5.0).step(root)
    numpy.testing.assert_array_equal(model.x, [1.0])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"iterations": 2, "evaluations": 50}, "all iterations are used up"),
        ({"evaluations": 3}, "all evaluations are used up"),
        ({"gradient_tolerance": 10.0}, "the gradient is small"),
        ({"gradient_tolerance": 0.1}, "the gradient is small"),
        (
            {"change_tolerance": 1e-3, "evaluations": 500, "iterations": 200, "gradient_tolerance": 0.0},
            "the change is small",
        ),
        ({"change_tolerance": 100.0, "gradient_tolerance": 0.0}, "the direction does not lead down"),
    ],
)
def test_it_says_why_it_stopped(options, reason):
    optimizer = optim.LBFGS(network(), line_search=True, **options)
    assert optimizer.stopped == ""
    optimizer.step(loss)
    assert optimizer.stopped == reason


def test_it_says_that_a_search_found_no_lower_place():
    first = []

    def walled(model):  # finite where it begins, nowhere else
        xp = xpnn.namespace_of(model.x)
        first.append(model.x)
        return xp.sum(model.x) + (0.0 if len(first) == 1 else numpy.inf)

    model = Rosenbrock(1.0)
    optimizer = optim.LBFGS(model, line_search=True)
    optimizer.step(walled)
    assert optimizer.stopped == "no lower place was found along the direction"
    numpy.testing.assert_array_equal(model.x, [1.0])


def test_an_error_in_the_loss_leaves_the_model_where_it_was():
    model, calls = network(), []
    before = model.state_dict()

    def failing(model):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no more")
        return loss(model)

    with pytest.raises(RuntimeError, match="no more"):
        optim.LBFGS(model, line_search=True).step(failing)
    assert all(numpy.array_equal(before[key], x) for key, x in model.state_dict().items())


WRONG = [
    (lambda: optim.LBFGS([]), TypeError, r"expected a model \(a Module\), got list"),
    (lambda: optim.LBFGS(network(), iterations=0), ValueError, "iterations to be a positive integer"),
    (lambda: optim.LBFGS(network(), learning_rate=-1.0), ValueError, "learning_rate of 0 or more"),
    (lambda: optim.LBFGS(network(), learning_rate=optim.constant(1.0)), TypeError, "got a schedule"),
    (lambda: optim.LBFGS(network(), change_tolerance=-1.0), ValueError, "change_tolerance of 0 or more"),
    (lambda: optim.LBFGS(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, dtype="float64"))), TypeError, "of one dtype"),
    (lambda: optim.LBFGS(nn.Tanh()), TypeError, "of one dtype, got none"),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_wrong_options_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
