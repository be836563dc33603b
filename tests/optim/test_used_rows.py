"""Updates of used rows only: they are the update of a table that has no other rows, and all else stays as it is."""

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host, used_rows
from xpnn.optim import used_rows as module

RULES = ["SGD", "Adam", "AdamW", "Adamax", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Lion"]
OPTIONS = {"SGD": {"momentum": 0.9, "weight_decay": 0.1}, "Adam": {"amsgrad": True, "weight_decay": 0.1}}
USED = {"*": {"used_rows_only": True}}
BATCHES = ([1, 5, 5], [1, 7, 2], [5, 1, 1])


def made(rule, model, groups):
    return getattr(optim, rule)(model, learning_rate=0.1, groups=groups, **OPTIONS.get(rule, {}))


def trained(model, optimizer, place, batches=BATCHES):
    for batch in batches:
        indices = place.asarray(numpy.asarray(batch))
        optimizer.step(xpnn.grad(lambda m, i=indices: nn.squared_error(m(i), 0 * m(i) + 3.0))(model))
    return to_host(model.weight)


def table(rows, place):
    model = nn.Embedding(10, 4, dtype="float64").initialize(seed=1)
    small = nn.Embedding(len(rows), 4, dtype="float64")
    small.weight[...] = model.weight[list(rows)]
    return small.to(place)


@pytest.mark.parametrize("rule", RULES)
def test_rows_used_each_time_move_as_in_a_table_of_their_own(place, rule):
    whole, alone = table(range(10), place), table((1, 5), place)
    found = trained(whole, made(rule, whole, USED), place, ([1, 5, 5], [1, 5], [5, 1, 1]))
    expected = trained(alone, made(rule, alone, None), place, ([0, 1, 1], [0, 1], [1, 0, 0]))
    numpy.testing.assert_allclose(found[[1, 5]], expected, rtol=1e-12)
    others = [0, 2, 3, 4, 6, 7, 8, 9]
    assert numpy.array_equal(found[others], to_host(table(range(10), place).weight)[others])


@pytest.mark.parametrize("rule", RULES)
def test_rows_found_and_rows_chosen_by_a_mask_give_the_same_bits(rule, monkeypatch):
    cpu = xpnn.device("cpu")
    found, by_mask = table(range(10), cpu), table(range(10), cpu)
    optimizer, other = made(rule, found, USED), made(rule, by_mask, USED)
    trained(found, optimizer, cpu)
    monkeypatch.setattr(module, "used_rows", lambda g: None)
    trained(by_mask, other, cpu)
    assert numpy.array_equal(found.weight, by_mask.weight)
    mine, theirs = optimizer.state_dict(), other.state_dict()
    assert all(numpy.array_equal(mine[name], theirs[name]) for name in mine)


def test_the_state_of_unused_rows_waits():
    model = table(range(10), xpnn.device("cpu"))
    optimizer = made("Adam", model, USED)
    trained(model, optimizer, xpnn.device("cpu"), ([3], [4]))
    mean = optimizer.state_dict()["weight.mean"]
    assert numpy.flatnonzero(mean.any(axis=1)).tolist() == [3, 4]
    before = mean[3].copy()
    trained(model, optimizer, xpnn.device("cpu"), ([4],))
    assert numpy.array_equal(optimizer.state_dict()["weight.mean"][3], before)


def test_parameters_of_any_shape_and_a_gradient_of_zeros():
    class Several(nn.Module):
        def __init__(self):
            self.number = nn.Parameter(numpy.asarray(1.0))
            self.row = nn.Parameter(numpy.ones(3))
            self.block = nn.Parameter(numpy.ones((2, 3, 4)))
            self.none = nn.Parameter(numpy.ones((0, 2)))

    model = Several()
    optimizer = optim.SGD(model, learning_rate=1.0, groups=USED)
    block = numpy.zeros((2, 3, 4))
    block[1, 0, 2] = 0.5
    optimizer.step([numpy.asarray(0.25), numpy.asarray([0.0, 1.0, 0.0]), block, numpy.zeros((0, 2))])
    assert float(model.number) == 0.75
    assert model.row.tolist() == [1.0, 0.0, 1.0]
    assert numpy.array_equal(model.block, 1.0 - block)
    after = model.state_dict()
    optimizer.step([numpy.zeros_like(p) for p in model.parameters()])
    assert all(numpy.array_equal(after[name], array) for name, array in model.state_dict().items())


def test_compiled_steps_use_other_rows_each_time():
    sides = []
    for compiled in (False, True):
        model = nn.Embedding(10, 4).initialize(seed=1)
        optimizer = optim.Adam(model, groups=USED)

        def step(indices, model=model, optimizer=optimizer):
            loss, gradients = xpnn.value_and_grad(lambda m: nn.squared_error(m(indices), 0 * m(indices)))(model)
            optimizer.step(gradients)
            return loss

        fast = xpnn.compile(step, state=(model, optimizer), exact=True) if compiled else step
        losses = [float(fast(numpy.asarray(batch))) for batch in (*BATCHES, [0, 9, 9], [1, 2, 3], [8, 8, 8])]
        assert not compiled or fast.plan() is not None
        sides.append((losses, model.weight))
    assert sides[0][0] == sides[1][0]
    assert numpy.array_equal(sides[0][1], sides[1][1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_rows_that_hold_anything_but_zeros(width, dtype):
    g = numpy.zeros((6, width), dtype=dtype)
    g[1, -1], g[3, 0], g[4, 0] = numpy.nan, 1e-320 if dtype == "float64" else 1e-45, -0.0
    assert used_rows(g).tolist() == [1, 3]
    assert used_rows(numpy.asfortranarray(g)).tolist() == [1, 3]
    assert used_rows(g[::2]).tolist() == []
