"""`n_ens` networks trained at once: each is the one that it is alone, and predictions are their averages."""

import pickle
import warnings

import numpy
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from xpnn import nn
from xpnn.estimators import MLPClassifier, MLPRegressor
from xpnn.estimators.ensembles import averaged
from xpnn.nn.losses.regression import squared_error

RNG = numpy.random.default_rng(12)
X = RNG.standard_normal((60, 4))
BINARY = numpy.where(X[:, 0] + RNG.standard_normal(60) > 0, "yes", "no")
CLASSES = RNG.integers(0, 3, 60)
LABELS = (RNG.standard_normal((60, 3)) > 0).astype(int)
QUESTIONS = numpy.stack([CLASSES, RNG.integers(0, 2, 60)], axis=1)
NUMBERS = X[:, 0] + 0.1 * RNG.standard_normal(60)
RATES = numpy.exp(0.3 * NUMBERS)
TARGETS = numpy.stack([NUMBERS, RATES], axis=1)
WEIGHTS = RNG.uniform(0.5, 2.0, 60)
MEMBERS = 3
ALWAYS = {
    "hidden_layer_sizes": (6, 5), "batch_size": 25, "random_state": 0, "n_iter_no_change": 99,
    "learning_rate_init": 0.001, "schedule": None,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def cubed(y, t):
    """A loss that is no mean over rows."""
    return squared_error(y, t) ** 1.5


CASES = {
    "two classes": (MLPClassifier, BINARY, {}),
    "classes": (MLPClassifier, CLASSES, {"alpha": 2.0}),
    "labels": (MLPClassifier, LABELS, {"label_smoothing": 0.1}),
    "questions": (MLPClassifier, QUESTIONS, {"activation": "tanh"}),
    "class weights": (MLPClassifier, CLASSES, {"class_weight": {0: 1.0, 1: 5.0, 2: 0.5}, "activation": "logistic"}),
    "squares": (MLPRegressor, NUMBERS, {}),
    "targets": (MLPRegressor, TARGETS, {"max_norm": 0.05, "alpha": 1.0}),
    "absolute": (MLPRegressor, NUMBERS, {"loss": "absolute_error", "solver": "sgd"}),
    "Huber": (MLPRegressor, TARGETS, {"loss": "huber", "solver": "adamw", "alpha": 0.1}),
    "quantiles": (MLPRegressor, TARGETS, {"loss": "quantile", "quantiles": [0.1, 0.5, 0.9]}),
    "Poisson": (MLPRegressor, RATES, {"loss": "poisson", "activation": nn.tanh}),
    "gamma": (MLPRegressor, RATES, {"loss": "gamma", "solver": "sgd", "learning_rate": "invscaling"}),
    "Tweedie": (MLPRegressor, RATES, {"loss": "tweedie", "normalization": "layer"}),
    "own loss": (MLPRegressor, TARGETS, {"loss": cubed, "normalization": "rms"}),
    "batch norm": (MLPRegressor, TARGETS, {"normalization": "batch"}),
    "an activation for each layer": (MLPClassifier, CLASSES, {"activation": ["gelu", nn.tanh], "compile": False}),
}
UNWEIGHTED = ("own loss",)


def member(ensemble, k):
    """The arrays of one member, in order."""
    return [array[k] if array.ndim else array for array in ensemble.network_.state_dict().values()]


def trained_alone(kind, y, options, start, weights):
    """A network alone, from the first weights `start`."""
    still = {**ALWAYS, **options, "shuffle": False, "warm_start": True}
    model = kind(**{**still, "max_iter": 1, "learning_rate_init": 1e-300}).fit(X, y, weights)
    state = model.network_.state_dict()
    model.network_.load_state_dict(dict(zip(state, start, strict=True)))
    model.t_ = 0  # as if it had seen nothing
    return model.set_params(**still, max_iter=3).fit(X, y, weights)


@pytest.mark.parametrize("name", CASES)
def test_each_member_is_trained_as_if_alone(name):
    kind, y, options = CASES[name]
    weights = None if name in UNWEIGHTED else WEIGHTS
    still = {**ALWAYS, **options, "shuffle": False, "warm_start": True, "n_ens": MEMBERS}
    ensemble = kind(**{**still, "max_iter": 1, "learning_rate_init": 1e-300}).fit(X, y, weights)
    if options.get("normalization") == "batch":
        ensemble.network_.initialize(seed=3)  # its statistics have moved
    ensemble.t_ = 0
    starts = [[numpy.copy(array) for array in member(ensemble, k)] for k in range(MEMBERS)]
    ensemble.set_params(**still, max_iter=3).fit(X, y, weights)
    losses = []
    for k, start in enumerate(starts):
        alone = trained_alone(kind, y, options, start, weights)
        moved = [abs(a - b).max() for a, b in zip(start, alone.network_.state_dict().values(), strict=True)]
        assert max(moved) > 1e-4
        # rtol and atol: sums over 25 rows in another order, divided by Adam; 9 steps in float64
        for found, expected in zip(member(ensemble, k), alone.network_.state_dict().values(), strict=True):
            numpy.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
        losses.append(alone.loss_)
    assert ensemble.loss_ == pytest.approx(numpy.mean(losses), rel=1e-9)


def test_the_first_member_is_the_network_of_the_same_seed():
    options = {**ALWAYS, "max_iter": 4, "random_state": 3}
    alone = MLPClassifier(**options).fit(X, CLASSES)
    ensemble = MLPClassifier(**options, n_ens=2).fit(X, CLASSES)
    for found, expected in zip(member(ensemble, 0), alone.network_.state_dict().values(), strict=True):
        numpy.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    assert abs(ensemble.coefs_[0][0] - ensemble.coefs_[0][1]).max() > 0.1


def test_members_draw_masks_of_their_own_and_a_fit_repeats_itself():
    options = {**ALWAYS, "max_iter": 2, "dropout": 0.5, "n_ens": 2}
    first, second = (MLPClassifier(**options).fit(X, CLASSES) for _ in range(2))
    for a, b in zip(first.coefs_, second.coefs_, strict=True):
        numpy.testing.assert_array_equal(a, b)
    layers = [layer for _, layer in first.network_.named_modules() if isinstance(layer, nn.Dropout)]
    dropped = layers[0].train()(numpy.ones((2, 40, 6))) == 0
    assert (dropped[0] != dropped[1]).any()


# What is predicted


def outputs_of_members(model):
    model.network_.train()
    try:
        return model.network_(X)
    finally:
        model.network_.eval()


def probabilities(z):
    e = numpy.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def fitted(name, **options):
    kind, y, given = CASES[name]
    return kind(**{**ALWAYS, **given, "max_iter": 30, "n_ens": MEMBERS, **options}).fit(X, y)


def test_probabilities_of_classes_are_averaged():
    model = fitted("classes")
    expected = probabilities(outputs_of_members(model)).mean(axis=0)
    numpy.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12)  # exponentials of logarithms
    numpy.testing.assert_allclose(model.predict_log_proba(X), numpy.log(expected), rtol=1e-12)
    numpy.testing.assert_array_equal(model.predict(X), expected.argmax(axis=1))
    numpy.testing.assert_allclose(numpy.exp(model.decision_function(X)), expected, rtol=1e-12)


def test_probabilities_of_two_classes_and_of_labels_are_averaged():
    for name in ("two classes", "labels"):
        model = fitted(name)
        expected = (1 / (1 + numpy.exp(-outputs_of_members(model)))).mean(axis=0)
        found = model.predict_proba(X)
        numpy.testing.assert_allclose(found[:, 1:] if name == "two classes" else found, expected, rtol=1e-12)
        logits = numpy.log(expected / (1 - expected))
        logits = logits[:, 0] if name == "two classes" else logits
        numpy.testing.assert_allclose(model.decision_function(X), logits, rtol=1e-10, atol=1e-12)
    assert set(model.predict(X).ravel()) == {0, 1}


def test_each_questions_probabilities_are_averaged():
    model = fitted("questions")
    outputs = outputs_of_members(model)
    for found, part in zip(model.predict_proba(X), (outputs[:, :, :3], outputs[:, :, 3:]), strict=True):
        numpy.testing.assert_allclose(found, probabilities(part).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", ["squares", "targets", "quantiles", "Poisson"])
def test_predicted_numbers_are_averaged(name):
    model = fitted(name)
    outputs = outputs_of_members(model)
    expected = (numpy.exp(outputs) if name == "Poisson" else outputs).mean(axis=0)
    numpy.testing.assert_allclose(model.predict(X).ravel(), expected.ravel(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("link", ["logistic", "softmax", "exp"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_averages_of_certain_members_are_finite(link, dtype):
    y = numpy.asarray([[[900.0, -900.0]], [[-80.0, 60.0]]], dtype=dtype)
    found = averaged(y, link)
    assert found.dtype == dtype
    assert numpy.isfinite(found).all()
    if link == "softmax":  # half each, and next to nothing
        numpy.testing.assert_allclose(found, [[numpy.log(0.5), numpy.log(0.5)]], rtol=1e-6)


# What goes with it


def test_early_stopping_looks_at_the_average_and_keeps_its_best():
    y = numpy.where(RNG.random(60) < 0.5, BINARY, "no")
    held_out = {"X_val": X[40:], "y_val": y[40:]}
    options = {**ALWAYS, "n_iter_no_change": 5, "learning_rate_init": 0.05, "max_iter": 300, "n_ens": MEMBERS}
    model = MLPClassifier(**options, early_stopping=True).fit(X[:40], y[:40], **held_out)
    curve = model.validation_loss_curve_
    assert model.n_iter_ < 300
    assert min(curve) == pytest.approx(log_loss(y[40:], model.predict_proba(X[40:])), rel=1e-9)
    assert numpy.argmin(curve) < len(curve) - 1  # the last weights are not the best
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_partial_fit_and_warm_start_go_on():
    whole = MLPRegressor(**ALWAYS, n_ens=2, max_iter=4, shuffle=False)
    model = MLPRegressor(**ALWAYS, n_ens=2, shuffle=False)
    for _ in range(4):
        model.partial_fit(X, NUMBERS)
    numpy.testing.assert_allclose(model.predict(X), whole.fit(X, NUMBERS).predict(X), rtol=1e-12)
    model = MLPRegressor(**ALWAYS, n_ens=2, max_iter=2, warm_start=True).fit(X, NUMBERS)
    first = model.coefs_[0].copy()
    model.fit(X, NUMBERS)
    assert 0 < abs(model.coefs_[0] - first).max() < 0.5
    with pytest.raises(ValueError, match="warm_start needs n_ens=2 as in the first fit, got 3"):
        model.set_params(n_ens=3).fit(X, NUMBERS)


def test_sparse_rows_copies_and_pickles():
    model = fitted("classes")
    expected = model.predict_proba(X)
    assert numpy.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    again = clone(model).fit(sparse.csr_array(X), CLASSES)
    numpy.testing.assert_allclose(again.predict_proba(X), expected, rtol=1e-9)
    assert [array.shape for array in model.coefs_] == [(3, 4, 6), (3, 6, 5), (3, 5, 3)]
    assert [array.shape for array in model.intercepts_] == [(3, 6), (3, 5), (3, 3)]


def test_float32_stays():
    model = MLPRegressor(**ALWAYS, n_ens=2, max_iter=2, loss="poisson").fit(X.astype("float32"), RATES)
    assert model.predict(X.astype("float32")).dtype == "float32"
    assert model.coefs_[0].dtype == "float32"


WRONG = {
    "none": ({"n_ens": 0}, "The 'n_ens' parameter of MLPClassifier must be an int in the range"),
    "lbfgs": ({"n_ens": 2, "solver": "lbfgs"}, "finds the weights of one network: n_ens expected 1, got 2"),
    "prelu": (
        {"n_ens": 2, "activation": "prelu"},
        "activation='prelu' has trained numbers, which the networks of n_ens=2",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name):
    options, message = WRONG[name]
    model = MLPClassifier(**options)
    with pytest.raises(ValueError, match=message):
        model.fit(X, CLASSES)
    assert not hasattr(model, "network_")
