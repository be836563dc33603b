"""A fit that fails leaves the estimator as it was."""

import warnings

import numpy
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from xpnn.arrays.devices import device_of
from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor

RNG = numpy.random.default_rng(8)
X = RNG.standard_normal((60, 4))
LABELS = (X[:, 0] > 0).astype(int)
NUMBERS = X[:, 0] + X[:, 1] ** 2
THREE = numpy.arange(60) % 3


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


class Fails:
    """A callback that fails after some epochs."""

    def __call__(self, trainer, row):
        if trainer.epoch >= 2:
            raise RuntimeError("no more")


FAILURES = {
    "lbfgs with dropout": (MLPClassifier, {"solver": "lbfgs", "dropout": 0.5}, (X, LABELS), {}),
    "a list too long": (MLPClassifier, {"dropout": [0.1, 0.2]}, (X, THREE), {}),
    "X_val of other columns": (MLPClassifier, {}, (X, LABELS), {"X_val": X[:, :2], "y_val": LABELS}),
    "labels that were not trained": (MLPClassifier, {}, (X, LABELS), {"X_val": X, "y_val": LABELS + 5}),
    "a callback": (MLPClassifier, {"callbacks": [Fails()]}, (X, LABELS), {}),
    "y_val of other targets": (
        MLPRegressor, {}, (X, numpy.stack([NUMBERS] * 2, axis=1)), {"X_val": X, "y_val": NUMBERS},
    ),
    "no weights that are finite": (MLPRegressor, {"solver": "sgd", "learning_rate_init": 1e30}, (X, NUMBERS), {}),
}  # fmt: skip


def small(kind, **options):
    return kind(hidden_layer_sizes=(4,), max_iter=3, random_state=0).set_params(**options)


def attributes(model):
    found = {}
    for name, value in vars(model).items():
        value = value.state_dict() if name == "network_" else value
        found[name] = list(value) if isinstance(value, list) else value
    return found


def assert_unchanged(model, before):
    now = attributes(model)
    assert list(now) == list(before)
    for name, value in before.items():
        if name == "network_":
            for array, kept in zip(now[name].values(), value.values(), strict=True):
                numpy.testing.assert_array_equal(array, kept)
        elif isinstance(value, list | numpy.ndarray):
            numpy.testing.assert_equal(now[name], value)
        else:
            assert now[name] is value or now[name] == value, name


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_first_fit_that_fails_leaves_it_unfitted(failure):
    kind, options, data, held_out = FAILURES[failure]
    model = small(kind, **options)
    before = attributes(model)
    with pytest.raises((ValueError, RuntimeError)):
        model.fit(*data, **held_out)
    assert_unchanged(model, before)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_later_fit_that_fails_leaves_the_model_that_was_there(failure, warm_start):
    kind, options, data, held_out = FAILURES[failure]
    model = small(kind).fit(X, data[1])
    outputs = model.predict(X)
    model.set_params(**options, warm_start=warm_start)
    before = attributes(model)
    with pytest.raises((ValueError, RuntimeError)):
        model.fit(*data, **held_out)
    assert_unchanged(model, before)
    numpy.testing.assert_array_equal(model.predict(X), outputs)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_failed_partial_fit_is_as_if_it_had_not_been(kind):
    y = LABELS if kind is MLPClassifier else NUMBERS
    classes = {"classes": [0, 1]} if kind is MLPClassifier else {}
    model, undisturbed = (small(kind).partial_fit(X, y, **classes).partial_fit(X, y) for _ in range(2))
    before = attributes(model)
    for wrong_X, wrong_y, message in (
        (X[:, :2], y, "X has 2 features"),
        (X, y[:3], "inconsistent numbers of samples"),
        (X, numpy.stack([y] * 2, axis=1), r"expected y of one class|partial_fit needs the layers .*\[4, 4, 1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(wrong_X, wrong_y)
        assert_unchanged(model, before)
    model.set_params(callbacks=[lambda trainer, row: 1 / 0])
    with pytest.raises(ZeroDivisionError):
        model.partial_fit(X, y)  # after the epoch: weights and optimizer have changed
    model.set_params(callbacks=None)
    assert_unchanged(model, before)
    for a, b in zip(model.partial_fit(X, y).coefs_, undisturbed.partial_fit(X, y).coefs_, strict=True):
        numpy.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_after_weights_that_are_not_finite_batches_come_in_the_order_they_had():
    options = {"solver": "sgd", "batch_size": 7}
    model, undisturbed = (small(MLPRegressor, **options).partial_fit(X, NUMBERS) for _ in range(2))
    with pytest.raises(ValueError, match="non-finite"):
        model.partial_fit(X * 1e200, NUMBERS)
    for a, b in zip(model.partial_fit(X, NUMBERS).coefs_, undisturbed.partial_fit(X, NUMBERS).coefs_, strict=True):
        numpy.testing.assert_array_equal(a, b)


SLOWER = {  # what changes the rate in the epoch that fails
    "adaptive": (
        MLPRegressor, {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1}, 0.001 / 5,
    ),
    "invscaling": (MLPRegressor, {"solver": "sgd", "learning_rate": "invscaling"}, 0.001 / 121**0.5),
    "an MLP's callback": (MLPRegressor, {"solver": "adamw"}, 7.0),
    "a Regressor's callback": (Regressor, {"optimizer": "adamw", "average": 0.9}, 7.0),
}  # fmt: skip


def of_trainer(model):
    """All that a trainer would save, and its rates."""
    arrays, metadata = model._trainer.state_dict()
    optimizer = model._trainer.optimizer
    rates = [options["learning_rate"] for options in (optimizer.options, *optimizer.patterns.values())]
    return {name: array.tolist() for name, array in arrays.items()}, rates, metadata


@pytest.mark.parametrize("slower", SLOWER)
def test_the_rate_is_that_of_before_the_call_that_failed(slower):
    kind, options, rate = SLOWER[slower]
    seen = []

    def fails(trainer, row):
        if "callback" in slower:
            for group in trainer.optimizer.groups:
                group.options["learning_rate"] = 7.0
        seen.append(trainer.learning_rate())
        raise RuntimeError("no more")

    model, undisturbed = (kind(**options, random_state=0) for _ in range(2))
    for one in (model, undisturbed):
        one.partial_fit(X, NUMBERS).partial_fit(X, NUMBERS)
    before = of_trainer(model)
    with pytest.raises(RuntimeError, match="no more"):
        model.set_params(callbacks=[fails]).partial_fit(X, NUMBERS)
    assert seen == [pytest.approx(rate)]
    assert of_trainer(model) == before
    model.set_params(callbacks=None)
    for one in (model, undisturbed):
        one.partial_fit(X, NUMBERS).partial_fit(X, NUMBERS)
    assert of_trainer(model)[:2] == of_trainer(undisturbed)[:2]


@pytest.mark.parametrize("kind", [MLPRegressor, Regressor])
def test_numbers_that_a_failed_call_drew_are_drawn_again(kind):
    model, undisturbed = (kind(random_state=numpy.random.RandomState(3)).partial_fit(X, NUMBERS) for _ in range(2))
    model.set_params(callbacks=[lambda trainer, row: 1 / 0])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            model.partial_fit(X, NUMBERS)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, NUMBERS)
    model.set_params(callbacks=None).partial_fit(X, NUMBERS).partial_fit(X, NUMBERS)
    undisturbed.partial_fit(X, NUMBERS).partial_fit(X, NUMBERS)
    numpy.testing.assert_array_equal(model.predict(X), undisturbed.predict(X))


@pytest.mark.parametrize("kind", [MLPRegressor, Regressor, MLPClassifier, Classifier])
def test_a_network_that_failed_elsewhere_comes_home(kind, elsewhere):
    y, classes = (LABELS, {"classes": [0, 1]}) if "Class" in kind.__name__ else (NUMBERS, {})
    model, undisturbed = (kind(random_state=0).partial_fit(X, y, **classes) for _ in range(2))
    model.set_params(device=elsewhere, callbacks=[lambda trainer, row: 1 / 0])
    with pytest.raises(ZeroDivisionError):
        model.partial_fit(X, y)
    model.set_params(device=None, callbacks=None)
    numpy.testing.assert_array_equal(model.predict(X), undisturbed.predict(X))
    network = model.network_ if hasattr(model, "network_") else model.module_
    assert device_of(network.parameters()[0]).name == "cpu"
    model.partial_fit(X, y)
    numpy.testing.assert_array_equal(model.predict(X), undisturbed.partial_fit(X, y).predict(X))


def test_a_failed_first_partial_fit_leaves_no_classes():
    model = small(MLPClassifier)
    before = attributes(model)
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, THREE, classes=[0, 1])
    assert_unchanged(model, before)


def test_parameters_set_after_a_fit_change_no_predictions():
    model = small(MLPRegressor, loss="quantile", quantiles=[0.1, 0.9]).fit(X, NUMBERS)
    assert model.predict(X).shape == (60, 2)
    assert model.set_params(quantiles=0.5, loss="squared_error").predict(X).shape == (60, 2)
