"""Options of `fit`, `evaluate` and `predict` that do not go together."""

import numpy
import pytest

from xpnn import nn, optim
from xpnn.training import Loader, Trainer

RNG = numpy.random.default_rng(23)
X = RNG.standard_normal((10, 3)).astype("float32")
T = RNG.standard_normal((10, 2)).astype("float32")


def trainer_of():
    model = nn.Linear(3, 2).initialize(seed=4)
    return Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.05))


LOADER = Loader(X, T, batch_size=3)
BESIDE = {
    "targets": (lambda one: one.fit(LOADER, T), r"fit expected no t beside a Loader, .*: Loader\(x, t\)"),
    "targets to evaluate": (lambda one: one.evaluate(LOADER, T), "evaluate expected no t beside a Loader"),
    "weights": (lambda one: one.fit(LOADER, sample_weight=numpy.ones(10)), "fit expected no sample_weight beside"),
    "weights to evaluate": (
        lambda one: one.evaluate(LOADER, sample_weight=numpy.ones(10)), "evaluate expected no sample_weight beside",
    ),
    "weights of classes": (lambda one: one.fit(LOADER, class_weight="balanced"), r"Loader\(x, t, sample_weight="),
    "a batch size": (lambda one: one.fit(LOADER, batch_size=8), r"no batch_size .*: Loader\(x, t, batch_size=...\)"),
    "an order": (lambda one: one.fit(LOADER, shuffle=False), "fit expected no shuffle beside a Loader"),
    "no targets": (lambda one: one.fit(Loader(X)), r"with targets, got none: Loader\(x, t\)"),
    "no targets to evaluate": (lambda one: one.evaluate(Loader(X)), r"with targets, got none: Loader\(x, t\)"),
    "to predict": (lambda one: one.predict(LOADER), "predict expected arrays, got a Loader: predict the x of one of"),
}  # fmt: skip


@pytest.mark.parametrize("case", BESIDE)
def test_what_a_loader_decides_is_refused_beside_it(case):
    use, message = BESIDE[case]
    trainer = trainer_of()
    before = {name: array.copy() for name, array in trainer.model.state_dict().items()}
    with pytest.raises((TypeError, ValueError), match=message):
        use(trainer)
    assert (trainer.step, len(trainer.history)) == (0, 0)
    for name, array in trainer.model.state_dict().items():
        numpy.testing.assert_array_equal(array, before[name])
