"""Two models with the same numbers, one trained plainly and one by a compiled step, for the tests of compiling."""

import numpy

import xpnn
from xpnn import nn, optim
from xpnn.compiler import rewrites

RNG = numpy.random.default_rng(0)


def normal(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def network(dropout=0.0, dtype="float32"):
    layers = [nn.Linear(4, 5), nn.Tanh(), nn.Dropout(dropout), nn.Linear(5, 2)]
    return nn.Sequential(*layers).initialize(seed=1).to(dtype=dtype)


def training_step(model, optimizer, loss_of=nn.squared_error):
    loss = xpnn.value_and_grad(lambda model, x, t: loss_of(model(x), t))

    def step(x, t):
        value, gradients = loss(model, x, t)
        optimizer.step(gradients)
        return value

    return step


def planned(step, *given, state=(), rewriting=(*rewrites.LOOSE, *rewrites.ALL), calls=4):
    """The plan's calls after some replays."""
    fast = xpnn.compile(step, state=state, rewriting=rewriting)
    for _ in range(calls):
        result = fast(*given)
    return fast.plan(), result


def names(plan):
    return [call.name for call in plan.program.calls]


def replays(step, *given, calls=5, **options):
    """Plain and compiled results of calls with other numbers each; the last three calls are replays."""
    fast = xpnn.compile(step, **options)
    pairs = []
    for number in range(calls):
        args = [_changed(x, number) for x in given]
        pairs.append((step(*args), fast(*args)))
    assert fast.plan() is not None
    return fast, pairs


def _changed(x, number):
    if x.dtype.kind == "b":
        return x ^ bool(number % 2)
    return x + number % 2 if x.dtype.kind in "iu" else x * x.dtype.type(1 - 0.01 * number)


def assert_equal(pairs):
    for plain, compiled in pairs:
        for a, b in zip(_leaves(plain), _leaves(compiled), strict=True):
            assert type(a) is type(b)
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert numpy.asarray(a).tobytes() == numpy.asarray(b).tobytes()


def _leaves(result):
    return list(result) if isinstance(result, tuple | list) else [result]


class Twins:
    """Two models with the same numbers: one trained plainly, one by a compiled step."""

    def __init__(self, make=network, optimizer=lambda model: optim.Adam(model, learning_rate=0.01), **options):
        self.plain, self.fast = make(), make()
        self.plain_optimizer, self.fast_optimizer = optimizer(self.plain), optimizer(self.fast)
        self.step = training_step(self.plain, self.plain_optimizer)
        self.compiled = xpnn.compile(
            training_step(self.fast, self.fast_optimizer),
            state=(self.fast, self.fast_optimizer),
            exact=True,
            **options,
        )

    def run(self, steps=1, rows=6, dtype="float32"):
        for _ in range(steps):
            x, t = normal(rows, 4, dtype=dtype), normal(rows, 2, dtype=dtype)
            a, b = self.step(x, t), self.compiled(x, t)
            assert type(a) is type(b)
            assert a == b
            self.require_same()

    def require_same(self):
        for mine, other in ((self.plain, self.fast), (self.plain_optimizer, self.fast_optimizer)):
            mine, other = mine.state_dict(), other.state_dict()
            assert mine.keys() == other.keys()
            for name in mine:
                assert numpy.array_equal(mine[name], other[name]), name

    def both(self, change):
        for model, optimizer in ((self.plain, self.plain_optimizer), (self.fast, self.fast_optimizer)):
            change(model, optimizer)

    @property
    def plans(self):
        return len(self.compiled._plans)


class Experiment:
    def __init__(self):
        self.model = network()
        self.optimizer = optim.SGD(self.model, learning_rate=0.1)
        self.loss = xpnn.value_and_grad(lambda model, x, t: nn.squared_error(model(x), t))
        self.count, self.factor, self.losses = 0, 1.0, []

    def step(self, x, t):
        value, gradients = self.loss(self.model, x, t)
        self.optimizer.step(gradients)
        return self.scaled(value)

    def scaled(self, value):
        return self.factor * value

    def counting(self, x):
        self.count += 1
        return self.count * x
