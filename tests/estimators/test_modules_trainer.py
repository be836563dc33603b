"""A fit of any module is that of a trainer written by hand, to the last bit, and that of PyTorch to rounding."""

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn import nn, optim
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host
from xpnn.estimators import Classifier, Regressor
from xpnn.training import Trainer
from xpnn.training.metrics import accuracy, f1_score

RNG = numpy.random.default_rng(3)
X = RNG.standard_normal((90, 4))
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])
WEIGHTS = RNG.uniform(0.5, 2.0, 90)
SEQUENCES = RNG.standard_normal((90, 6, 3))
LATE = numpy.digitize(SEQUENCES[:, -1, 0], [0.0])  # what counts comes last


def network(n_features, n_outputs, dtype):
    return nn.Sequential(nn.Linear(n_features, 8, dtype=dtype), nn.Tanh(), nn.Linear(8, n_outputs, dtype=dtype))


def seeds(random_state):
    """Those of the first weights and of the batches, as a fit draws them."""
    random = numpy.random.RandomState(random_state)
    return [int(random.randint(numpy.iinfo(numpy.int32).max)) for _ in range(2)]


OPTIONS = {
    "accumulate": {"accumulate": 2},
    "average": {"average": 0.9},
    "max_norm": {"max_norm": 0.1},
    "schedule": {"schedule": "cosine"},
    "order": {"shuffle": False},
    "plain": {"compile": False},
    "weights": {},
    "metrics": {"metrics": {"accuracy": accuracy, "f1": lambda y, t: f1_score(y, t, average="macro")}},
    "all": {"accumulate": 2, "average": 0.9, "max_norm": 0.1, "schedule": "one_cycle", "metrics": ["accuracy"]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_is_that_of_a_trainer_bit_for_bit(name):
    options = OPTIONS[name]
    weight = WEIGHTS if name in ("weights", "all") else None
    given = {"learning_rate": 0.01, "max_epochs": 4, "batch_size": 32, "random_state": 0}
    fitted = Classifier(network, **given, **options)
    fitted.fit(X[:70], THREE[:70], None if weight is None else weight[:70], X_val=X[70:], y_val=THREE[70:])

    weights, batches = seeds(0)
    model = network(4, 3, "float64").initialize(weights)
    updates = 4 * (2 if "accumulate" in options else 3)  # 70 rows in batches of 32, one or two of which are an update
    make = {"cosine": optim.cosine_decay, "one_cycle": optim.one_cycle}.get(options.get("schedule"))
    rate = 0.01 if make is None else make(0.01, steps=updates)
    same = {key: options[key] for key in ("accumulate", "average", "max_norm", "compile") if key in options}
    metrics = options.get("metrics") or {}
    metrics = metrics if isinstance(metrics, dict) else {"accuracy": accuracy}
    optimizer = optim.Adam(model, learning_rate=rate)
    trainer = Trainer(model, nn.cross_entropy, optimizer, seed=batches, metrics=metrics, **same)
    extra = {} if weight is None else {"sample_weight": weight[:70]}
    trainer.fit(
        X[:70], THREE[:70], epochs=4, batch_size=32, shuffle=options.get("shuffle", True), progress=False,
        validation=(X[70:], THREE[70:]), **extra,
    )  # fmt: skip
    assert trainer.step == updates
    assert not any(one.training for _, one in fitted.module_.named_modules())
    for name, array in trainer.evaluated.state_dict().items():
        numpy.testing.assert_array_equal(fitted.module_.state_dict()[name], array)
    for key in {key for row in trainer.history.rows for key in row} - {"seconds"}:
        assert fitted.history_[key] == trainer.history[key]


def test_the_steps_of_sgd_are_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it judges these steps")
    given = network(4, 3, "float64").initialize(5)
    model = Classifier(given, optimizer="sgd", learning_rate=0.1, max_epochs=5, batch_size=32, shuffle=False)
    model.set_params(optimizer__momentum=0.9).fit(X, THREE)
    first = torch.nn.Linear(4, 8, dtype=torch.float64)
    last = torch.nn.Linear(8, 3, dtype=torch.float64)
    for layer, own in ((first, given[0]), (last, given[2])):
        layer.weight.data, layer.bias.data = torch.tensor(own.weight), torch.tensor(own.bias)
    twin = torch.nn.Sequential(first, torch.nn.Tanh(), last)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    x, t = torch.tensor(X), torch.tensor(THREE)
    for _ in range(5):
        for start in range(0, 90, 32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(twin(x[start : start + 32]), t[start : start + 32]).backward()
            optimizer.step()
    expected = torch.softmax(twin(x), dim=1).detach().numpy()
    # fifteen steps in float64, a few units of rounding each
    numpy.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12)


class Attention(nn.Module):
    """What each step asks of all steps, and the mean of the answers."""

    def __init__(self, input_shape, n_outputs, dtype, width=4):
        features = input_shape[1]
        self.ask, self.key, self.value = (nn.Linear(features, width, dtype=dtype) for _ in range(3))
        self.place = nn.Parameter(numpy.linspace(0, 1, input_shape[0], dtype=dtype)[:, None])
        self.out = nn.Linear(width, n_outputs, dtype=dtype)

    def forward(self, x):
        xp = namespace_of(x, self.out.weight)
        scores = xp.matmul(self.ask(x), self.key(x).mT) + self.place.mT
        return self.out(xp.mean(xp.matmul(nn.softmax(scores), self.value(x) + self.place), axis=1))


class Recurrent(nn.Module):
    """A gated recurrent unit (Cho et al., 2014) of two gates."""

    def __init__(self, input_shape, n_outputs, dtype, width=6):
        both = input_shape[1] + width
        self.width, self.steps = width, input_shape[0]
        self.update, self.reset_gate, self.new = (nn.Linear(both, width, dtype=dtype) for _ in range(3))
        self.out = nn.Linear(width, n_outputs, dtype=dtype)

    def forward(self, x):
        xp = namespace_of(x, self.out.weight)
        h = xp.zeros_like(x[:, 0, :1]) + xp.zeros((1, self.width), dtype=x.dtype)
        for n in range(self.steps):
            both = xp.concat([x[:, n, :], h], axis=1)
            z, r = nn.sigmoid(self.update(both)), nn.sigmoid(self.reset_gate(both))
            new = xp.tanh(self.new(xp.concat([x[:, n, :], r * h], axis=1)))
            h = (1 - z) * h + z * new
        return self.out(h)


@pytest.mark.parametrize("module", [Attention, Recurrent])
def test_sequences(module):
    options = {"max_epochs": 12, "learning_rate": 0.05, "batch_size": 30, "random_state": 0}
    model = Classifier(module, **options, early_stopping=True, metrics=["accuracy"]).fit(SEQUENCES, LATE)
    if module is Recurrent:  # it keeps what came last
        assert model.score(SEQUENCES, LATE) > 0.8
    assert model.history_["loss"][-1] < model.history_["loss"][0]
    assert len(model.history_["val_accuracy"]) == model.n_iter_
    regressor = Regressor(module, **options, module_options={"width": 5}).fit(SEQUENCES, SEQUENCES[:, -1, 0])
    assert regressor.predict(SEQUENCES[:3]).shape == (3,)
    assert regressor.history_["loss"][-1] < 0.8 * regressor.history_["loss"][0]
    with pytest.raises(ValueError, match="expected a module for rows of shape"):
        Classifier(**options).fit(SEQUENCES, LATE)


def weights(*given):
    return numpy.asarray(given, dtype="float64")


def weighing(*given):
    return nn.CrossEntropy(class_weight=weights(*given))


CHANGES = {
    "max_norm": ({}, {"max_norm": 0.01}),
    "accumulate": ({}, {"accumulate": 2}),
    "smoothing": ({}, {"label_smoothing": 0.3}),
    "options": (
        {"loss": nn.CrossEntropy, "loss_options": {"label_smoothing": 0.0}}, {"loss_options": {"label_smoothing": 0.3}},
    ),
    "array of a loss": ({"loss": weighing(1, 1, 1)}, {"loss": weighing(1, 9, 1)}),
    "array of an option": (
        {"loss": nn.CrossEntropy, "loss_options": {"class_weight": weights(1, 1, 1)}},
        {"loss_options": {"class_weight": weights(1, 9, 1)}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_partial_fit_takes_what_is_changed_and_goes_on_with_its_optimizer(name):
    before, after = CHANGES[name]
    given = {"learning_rate": 0.01, "batch_size": 32, "average": 0.9, "shuffle": False, "random_state": 0}
    model = Classifier(network, **given, **before).partial_fit(X, THREE, classes=[0, 1, 2])
    model.set_params(**after).partial_fit(X, THREE)
    twin = network(4, 3, "float64").initialize(seeds(0)[0])
    optimizer, smoothing, by_class = optim.Adam(twin, learning_rate=0.01), 0.0, None
    average = optim.WeightAverage(twin, decay=0.9)
    for options in ({}, {key: value for key, value in after.items() if key in ("max_norm", "accumulate")}):
        loss = nn.CrossEntropy(label_smoothing=smoothing, class_weight=by_class)
        trainer = Trainer(twin, loss, optimizer, average=average, **options)
        trainer.fit(X, THREE, epochs=1, batch_size=32, shuffle=False, progress=False)
        smoothing = 0.3 if name in ("smoothing", "options") else 0.0
        by_class = weights(1, 9, 1) if name.startswith("array") else None
    for key, array in average.model.state_dict().items():
        numpy.testing.assert_array_equal(model.module_.state_dict()[key], array)
    assert model.n_iter_ == len(model.history_) == 2


def test_partial_fit_takes_what_is_written_into_a_loss():
    losses = nn.CrossEntropy(), nn.CrossEntropy()
    written, given = (Classifier(network, loss=loss, random_state=0) for loss in losses)
    for model in (written, given):
        model.partial_fit(X, THREE, classes=[0, 1, 2])
    losses[0].label_smoothing = 0.3
    given.set_params(loss=nn.CrossEntropy(label_smoothing=0.3))
    for model in (written, given):
        model.partial_fit(X, THREE).partial_fit(X, THREE)
    assert written.history_["loss"] == given.history_["loss"]


def test_the_optimizer_and_the_average_of_partial_fit_move_with_the_module(elsewhere):
    moved, plain = (Regressor(learning_rate=0.05, average=0.5, random_state=0) for _ in range(2))
    for model in (moved, plain):
        model.partial_fit(X, X[:, 0]).partial_fit(X, X[:, 0])
    moved.set_params(device=elsewhere)
    for model in (moved, plain):
        model.partial_fit(X, X[:, 0]).partial_fit(X, X[:, 0])
    assert device_of(moved.module_.parameters()[0]) == elsewhere
    for one, other in zip(moved.module_.parameters(), plain.module_.parameters(), strict=True):
        numpy.testing.assert_allclose(to_host(one), other, rtol=1e-9)  # sums in another order
