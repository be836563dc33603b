"""Averages of weights against PyTorch's, and gradients of several batches against those of one."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host

RNG = numpy.random.default_rng(9)
X, T = RNG.standard_normal((12, 3)), RNG.standard_normal((12, 2))


def loss(model, x, t, w=None):
    return nn.squared_error(model(x), t, sample_weight=w)


def network(dtype="float64"):
    return nn.Sequential(nn.Linear(3, 4, dtype=dtype), nn.Tanh(), nn.Linear(4, 2, dtype=dtype)).initialize(seed=2)


# Averages of weights


def test_averages_are_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these averages")
    from torch.optim import swa_utils

    model = network()
    judge = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    judge.load_state_dict({name: torch.tensor(x) for name, x in model.state_dict().items()})
    theirs = swa_utils.AveragedModel(judge, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    ours, optimizer = optim.WeightAverage(model, decay=0.9), optim.Adam(model, learning_rate=0.1)
    theirs.update_parameters(judge)  # PyTorch's first is a copy
    for _ in range(10):
        optimizer.step(xpnn.grad(loss)(model, X, T))
        judge.load_state_dict({name: torch.tensor(x) for name, x in model.state_dict().items()})
        ours.update()
        theirs.update_parameters(judge)
    for name, expected in theirs.module.state_dict().items():
        numpy.testing.assert_allclose(ours.model.state_dict()[name], expected, rtol=1e-12)


def test_the_average_is_a_model_in_evaluation_with_the_last_buffers():
    class Counting(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(numpy.ones(2))
            self.count = nn.Buffer(numpy.asarray(0))
            self.frozen = nn.Parameter(numpy.ones(2))

    model = Counting().freeze("frozen")
    average = optim.WeightAverage(model, decay=0.5)
    assert model.training
    assert not average.model.training
    model.weight[...], model.count[...] = 3.0, 7
    average.update()
    assert average.model.weight.tolist() == [2.0, 2.0]
    assert int(average.model.count) == 7
    assert model.weight.tolist() == [3.0, 3.0]


def test_a_shared_weight_moves_once():
    layer = nn.Linear(2, 2, bias=False, dtype="float64")
    model = nn.Sequential(layer, nn.Tanh(), layer)
    average = optim.WeightAverage(model, decay=0.5)
    before = layer.weight.copy()
    layer.weight[...] = before + 1.0
    average.update()
    numpy.testing.assert_allclose(average.model[0].weight, before + 0.5)


def test_an_array_of_two_layers_moves_once():
    first, second = nn.Linear(2, 2, bias=False, dtype="float64"), nn.Linear(2, 2, bias=False, dtype="float64")
    second.weight = nn.Parameter(first.weight)
    average = optim.WeightAverage(nn.Sequential(first, second), decay=0.5)
    before = first.weight.copy()
    first.weight[...] = before + 1.0
    average.update()
    numpy.testing.assert_allclose(average.model[1].weight, before + 0.5)


def test_averages_follow_in_compiled_steps(place):
    sides = []
    for compiled in (False, True):
        model = network().to(place)
        optimizer = optim.Adam(model, learning_rate=0.1)
        average = optim.WeightAverage(model, decay=0.9)

        def step(x, t, model=model, optimizer=optimizer, average=average):
            value, gradients = xpnn.value_and_grad(loss)(model, x, t)
            optimizer.step(gradients)
            average.update()
            return value

        state = (model, optimizer, average.model)
        fast = xpnn.compile(step, state=state, exact=True) if compiled else step
        for _ in range(5):
            fast(place.asarray(X), place.asarray(T))
        sides.append([to_host(p) for p in average.model.parameters()])
    for a, b in zip(*sides, strict=True):
        assert numpy.array_equal(a, b)


def test_averages_of_what_does_not_fit():
    model = network()
    average = optim.WeightAverage(model)
    model[0].extra = nn.Parameter(numpy.ones(3))
    with pytest.raises(ValueError, match="the parameters that the model had when it was made"):
        average.update()
    for decay, error in ((1.0, ValueError), (-0.1, ValueError), ("0.9", TypeError)):
        with pytest.raises(error, match="decay"):
            optim.WeightAverage(network(), decay=decay)
    with pytest.raises(TypeError, match=r"expected a model \(a Module\), got list"):
        optim.WeightAverage([])


# Gradients of several batches


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_batches_of_any_size_give_the_step_of_all_at_once(rule, place):
    whole, parts = network().to(place), network().to(place)
    one = getattr(optim, rule)(whole, learning_rate=0.1)
    several = optim.GradientAccumulator(getattr(optim, rule)(parts, learning_rate=0.1))
    x, t = place.asarray(X), place.asarray(T)
    for _ in range(5):
        one.step(xpnn.grad(loss)(whole, x, t))
        for begin, end in ((0, 5), (5, 6), (6, 12)):
            several.add(xpnn.grad(loss)(parts, x[begin:end, ...], t[begin:end, ...]), items=end - begin)
        several.step()
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        numpy.testing.assert_allclose(to_host(a), to_host(b), rtol=1e-10)


def test_weights_of_items_are_arrays_that_are_not_read(elsewhere):
    whole, parts = network().to(elsewhere), network().to(elsewhere)
    x, t, w = (elsewhere.asarray(a) for a in (X, T, RNG.uniform(0.5, 2.0, 12)))
    one = optim.SGD(whole, learning_rate=0.1)
    several = optim.GradientAccumulator(optim.SGD(parts, learning_rate=0.1))
    one.step(xpnn.grad(loss)(whole, x, t, w))
    for part in (slice(0, 5), slice(5, 12)):
        gradients = xpnn.grad(loss)(parts, x[part, ...], t[part, ...], w[part])
        several.add(gradients, items=xpnn.namespace_of(w).sum(w[part]))
    several.step()
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        numpy.testing.assert_allclose(to_host(a), to_host(b), rtol=1e-10)


def test_compiled_steps_add_up():
    sides = []
    for compiled in (False, True):
        model = network()
        optimizer = optim.Adam(model, learning_rate=0.1)
        accumulator = optim.GradientAccumulator(optimizer)

        def step(x, t, model=model, accumulator=accumulator):
            for part in (slice(0, 5), slice(5, 12)):
                accumulator.add(xpnn.grad(loss)(model, x[part], t[part]), items=part.stop - part.start)
            accumulator.step()

        state = (model, optimizer, accumulator)
        fast = xpnn.compile(step, state=state, exact=True) if compiled else step
        for _ in range(5):
            fast(X, T)
        assert not compiled or fast.plan() is not None
        sides.append(model.parameters())
    for a, b in zip(*sides, strict=True):
        assert numpy.array_equal(a, b)


def test_a_step_without_items_and_sums_that_are_saved():
    model = network()
    accumulator = optim.GradientAccumulator(optim.SGD(model, learning_rate=0.1))
    before = model.state_dict()
    accumulator.step()
    assert all(numpy.array_equal(before[name], x) for name, x in model.state_dict().items())
    accumulator.add(xpnn.grad(loss)(model, X, T), items=3)
    other = optim.GradientAccumulator(accumulator.optimizer)
    other.load_state_dict(accumulator.state_dict())
    for name, array in accumulator.state_dict().items():
        assert numpy.array_equal(other.state_dict()[name], array)
    with pytest.raises(ValueError, match="does not fit this accumulator of 4 parameters"):
        other.load_state_dict({"weight": numpy.asarray(0.0)})


def test_what_does_not_fit_changes_nothing():
    model = network()
    accumulator = optim.GradientAccumulator(optim.SGD(model, learning_rate=0.1))
    gradients = xpnn.grad(loss)(model, X, T)
    accumulator.add(gradients, items=2)
    before = accumulator.state_dict()
    for call, error, message in (
        (lambda: accumulator.add(gradients, items=-1), ValueError, "items of 0 or more"),
        (lambda: accumulator.add(gradients, items="2"), TypeError, "items to be a number"),
        (lambda: accumulator.add([numpy.ones(3)]), ValueError, "gradients of shapes"),
    ):
        with pytest.raises(error, match=message):
            call()
    assert all(numpy.array_equal(x, before[name]) for name, x in accumulator.state_dict().items())
    with pytest.raises(TypeError, match="expected an optimizer, got list"):
        optim.GradientAccumulator([])


def test_a_model_that_moves_begins_anew():
    model = network()
    accumulator = optim.GradientAccumulator(optim.SGD(model, learning_rate=0.1))
    accumulator.add(xpnn.grad(loss)(model, X, T), items=2)
    model.to(dtype="float32")
    x, t = X.astype("float32"), T.astype("float32")
    accumulator.add(xpnn.grad(loss)(model, x, t), items=2)
    accumulator.step()
    assert {str(p.dtype) for p in model.parameters()} == {"float32"}


def test_an_average_left_out_of_the_state_is_named():
    model = xpnn.nn.Linear(2, 1).initialize(seed=0)
    average = xpnn.optim.WeightAverage(model)

    def step(x):
        average.update()
        return model(x)

    with pytest.raises(xpnn.CannotRecord, match=r"average\.model"):
        xpnn.compile(step, state=model)(numpy.ones((3, 2), dtype="float32"))
