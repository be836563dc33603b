"""A fit by the operations of a search is the `Trainer`'s, to rounding; `compile=False` asks for that one."""

import os
import signal

import numpy
import pytest
from sklearn.base import clone
from sklearn.metrics import get_scorer

from xpnn.estimators import MLPClassifier, MLPRegressor
from xpnn.estimators.pool import POOL
from xpnn.estimators.search import alone, known, together
from xpnn.estimators.search.updates import Adam

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = numpy.random.default_rng(3)
X = RNG.standard_normal((90, 5))
NUMBERS = X[:, 0] - 2 * X[:, 1] * X[:, 2]
LABELS = (NUMBERS > 0).astype(int)
THREE = numpy.digitize(NUMBERS, [-1, 1])
WEIGHTS = RNG.integers(0, 3, 90).astype(float)
SHORT = {"hidden_layer_sizes": (7,), "max_iter": 6, "batch_size": 32, "random_state": 1, "learning_rate_init": 0.01}
CURVES = ("loss_", "best_loss_", "loss_curve_", "n_iter_", "t_", "_no_improvement_count")

FITS = {
    "two classes": (MLPClassifier(**SHORT), LABELS),
    "three": (MLPClassifier(**SHORT, label_smoothing=0.1), THREE),
    "balanced": (MLPClassifier(**SHORT, class_weight="balanced"), THREE),
    "several labels": (MLPClassifier(**SHORT), numpy.stack([LABELS, THREE == 1], axis=1).astype(int)),
    "several labels, smoothed": (
        MLPClassifier(**SHORT, label_smoothing=0.2), numpy.stack([LABELS, THREE == 1, THREE == 0], axis=1).astype(int)
    ),
    "numbers": (MLPRegressor(**SHORT, alpha=0.3), NUMBERS),
    "two targets": (MLPRegressor(**SHORT), numpy.stack([NUMBERS, X[:, 3]], axis=1)),
    "no hidden layer": (MLPRegressor(**{**SHORT, "hidden_layer_sizes": ()}), NUMBERS),
    "deep": (MLPClassifier(**{**SHORT, "hidden_layer_sizes": (6, 5, 4)}, activation="tanh"), THREE),
    "logistic": (MLPClassifier(**SHORT, activation="logistic"), LABELS),
    "identity": (MLPRegressor(**SHORT, activation="identity"), NUMBERS),
    "momentum": (MLPClassifier(**SHORT, solver="sgd"), LABELS),
    "plain momentum": (MLPClassifier(**SHORT, solver="sgd", nesterovs_momentum=False), LABELS),
    "no momentum": (MLPClassifier(**SHORT, solver="sgd", momentum=0.0), LABELS),
    "invscaling": (MLPRegressor(**SHORT, solver="sgd", learning_rate="invscaling"), NUMBERS),
    "adaptive": (
        MLPRegressor(**{**SHORT, "max_iter": 20}, solver="sgd", learning_rate="adaptive", n_iter_no_change=1, tol=0.5),
        NUMBERS,
    ),
    "stops": (MLPClassifier(**{**SHORT, "max_iter": 90}, n_iter_no_change=2, tol=0.02), THREE),
    "in order": (MLPClassifier(**SHORT, shuffle=False), LABELS),
    "several networks": (MLPClassifier(**SHORT, n_ens=3), THREE),
    "several of one output": (MLPRegressor(**SHORT, n_ens=2, alpha=0.3, solver="sgd"), NUMBERS),
    "wide": (MLPClassifier(**{**SHORT, "hidden_layer_sizes": (30,)}), LABELS),
    "one output of two layers": (MLPClassifier(**{**SHORT, "hidden_layer_sizes": (30, 20)}), LABELS),
}


def both(estimator, fit):
    """The fit by the operations of a search, and that of the `Trainer`."""
    found = []
    for compiled in (True, False):
        model = clone(estimator).set_params(compile=compiled)
        fit(model)
        found.append(model)
    return found


def counted(monkeypatch):
    """A list that has a 1 for each fit that goes alone from now on."""
    found, whole = [], alone.Together
    monkeypatch.setattr(alone, "Together", lambda jobs, **how: found.append(1) or whole(jobs, **how))
    return found


def assert_same(ours, trainers, rtol=1e-9):
    for name in CURVES:
        numpy.testing.assert_allclose(getattr(ours, name), getattr(trainers, name), rtol=rtol, err_msg=name)
    for a, b in zip((*ours.coefs_, *ours.intercepts_), (*trainers.coefs_, *trainers.intercepts_), strict=True):
        assert a.dtype == b.dtype
        numpy.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("name", FITS)
def test_it_is_the_trainers_fit(name, weights, monkeypatch):
    called = counted(monkeypatch)
    estimator, y = FITS[name]
    ours, trainers = both(estimator, lambda model: model.fit(X, y, sample_weight=weights))
    assert_same(ours, trainers)
    assert called == [1]


JUDGED = ("validation_loss_curve_", "validation_scores_", "best_validation_score_", "loss_curve_", "n_iter_", "t_")
BY_SCORE = {"early_stopping": True, "monitor": "score"}
STOPS = {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.02, "max_iter": 60}


@pytest.mark.parametrize(
    ("name", "options", "given"),
    [
        ("two classes", {"early_stopping": True}, False), ("three", BY_SCORE, False), ("numbers", STOPS, False),
        ("momentum", {**STOPS, "learning_rate": "adaptive"}, False), ("two targets", {}, True),
        ("several networks", STOPS, True), ("two classes", {**BY_SCORE, "monitor": get_scorer("roc_auc")}, True),
    ],
    ids=["early stopping", "score", "stops", "adaptive", "curves only", "several networks", "scorer"],
)  # fmt: skip
@pytest.mark.parametrize("weights", [None, WEIGHTS + 1], ids=["", "weighted"])
def test_rows_held_out_are_judged_as_by_the_trainer(name, options, given, weights, monkeypatch):
    called = counted(monkeypatch)
    estimator, y = FITS[name]
    held_out = {"X_val": X[::3] + 0.1, "y_val": y[::3]} if given else {}
    estimator = clone(estimator).set_params(**options)
    fits = both(estimator, lambda model: model.fit(X, y, sample_weight=weights, **held_out))
    assert called == [1]
    for attribute in JUDGED:
        ours, trainers = (getattr(model, attribute) for model in fits)
        if trainers is None:
            assert ours is None
        else:
            numpy.testing.assert_allclose(ours, trainers, rtol=1e-9, err_msg=attribute)
    for a, b in zip(fits[0].coefs_, fits[1].coefs_, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


def test_a_judge_that_fails_is_heard():
    def judge(estimator, X, y):
        if estimator.n_iter_ == 3:
            raise RuntimeError("cannot say")
        return 0.5

    with pytest.raises(RuntimeError, match="cannot say"):
        MLPClassifier(**SHORT, early_stopping=True, monitor=judge).fit(X, LABELS)


def test_ctrl_c_keeps_the_best_of_what_was_judged(monkeypatch):
    epochs, whole = [], alone.Together.epoch

    def epoch(self, until=None):
        epochs.append(1)
        if len(epochs) == 4:
            raise KeyboardInterrupt
        whole(self, until)

    monkeypatch.setattr(alone.Together, "epoch", epoch)
    model = MLPClassifier(**SHORT, early_stopping=True)
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        model.fit(X, LABELS)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_) == 3
    assert model.best_loss_ is None
    monkeypatch.undo()
    three = clone(model).set_params(max_iter=3).fit(X, LABELS)
    numpy.testing.assert_array_equal(model.coefs_[0], three.coefs_[0])


@pytest.mark.parametrize("name", ["two classes", "numbers", "momentum", "several networks"])
def test_parameters_may_be_updated_in_pieces(name, monkeypatch):
    monkeypatch.setattr(together, "PIECE", 100)
    estimator, y = FITS[name]
    assert_same(*both(estimator, lambda model: model.fit(X, y, sample_weight=WEIGHTS)))


@pytest.mark.parametrize(
    "name", ["two classes", "deep", "momentum", "no momentum", "invscaling", "adaptive", "several networks"]
)
def test_partial_fit_goes_on_with_the_optimizer_that_it_leaves(name):
    estimator, y = FITS[name]

    def fit(model):
        model.fit(X, y).partial_fit(X[:40], y[:40]).partial_fit(X[40:], y[40:])

    assert_same(*both(estimator, fit))


def test_outputs_may_be_as_large_as_they_like():
    """exp(1000) is infinite."""
    for name in ("two classes", "three", "several labels"):
        estimator, y = FITS[name]
        ours, trainers = both(estimator, lambda model, y=y: model.fit(X * 1e4, y))
        assert_same(ours, trainers, rtol=1e-6)
        assert abs(ours.decision_function(X * 1e4)).max() > 1000


def test_a_state_of_random_numbers_is_drawn_from_as_by_the_trainer(monkeypatch):
    called, states = counted(monkeypatch), []

    def fit(model):
        states.append(numpy.random.RandomState(5))
        model.set_params(random_state=states[-1]).fit(X, LABELS)

    assert_same(*both(FITS["two classes"][0], fit))
    assert called == [1]
    assert len({state.randint(10**9) for state in states}) == 1


def test_float32_stays_float32():
    def fit(model):
        model.fit(X.astype("float32"), LABELS)

    ours, trainers = both(FITS["two classes"][0], fit)
    assert ours.coefs_[0].dtype == ours.predict_proba(X.astype("float32")).dtype == "float32"
    assert_same(ours, trainers, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.1}, {"normalization": "layer"}, {"activation": "gelu"},
        {"solver": "adamw"}, {"schedule": "cosine"}, {"max_norm": 1.0}, {"warm_start": True}, {"verbose": True},
        {"callbacks": [lambda trainer, row: None]}, {"compile": False},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_other_fits_are_left_to_the_trainer(options, monkeypatch):
    monkeypatch.setattr(alone, "Together", None)  # which fails if it is asked
    MLPClassifier(**SHORT).set_params(**options).fit(X, LABELS)


def test_nothing_is_kept_in_the_pool():
    POOL.clear()
    MLPClassifier(**SHORT).fit(X, LABELS)
    assert not POOL._free


def test_ctrl_c_ends_it_after_a_step_and_keeps_what_there_is(monkeypatch):
    steps, whole = [], Adam.step_begins

    def step_begins(self):
        steps.append(1)
        if len(steps) == 8:  # the second of the third epoch
            os.kill(os.getpid(), signal.SIGINT)
        whole(self)

    monkeypatch.setattr(Adam, "step_begins", step_begins)
    model = MLPClassifier(**SHORT)
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        model.fit(X, LABELS)
    assert len(steps) == 8
    assert model.n_iter_ == len(model.loss_curve_) == 2
    assert model.loss_ == model.loss_curve_[-1] == model.best_loss_
    assert model.t_ == 180
    monkeypatch.undo()
    before = clone(model).set_params(max_iter=2).fit(X, LABELS)
    assert abs(model.coefs_[0] - before.coefs_[0]).max() > 1e-3  # two steps more
    model.partial_fit(X, LABELS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_weights_that_are_not_finite_are_an_error():
    model = MLPRegressor(**{**SHORT, "learning_rate_init": 1e300}, solver="sgd")
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        model.fit(X, NUMBERS)
    assert not hasattr(model, "network_")


def test_what_overflows_is_warned_of():
    """Adam's squares are infinite then, and weights stand still: nothing else would say so."""
    with pytest.warns(RuntimeWarning, match="overflow encountered in multiply"):
        MLPClassifier(**SHORT).fit(X * 1e200, LABELS)


def test_a_handler_of_ones_own_ends_it_too(monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Adam, "step_begins", interrupted)
    model = MLPClassifier(**SHORT)
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        model.fit(X, LABELS)
    assert model.n_iter_ == len(model.loss_curve_) == 0


def test_ctrl_c_after_the_last_step_is_not_lost(monkeypatch):
    whole = alone.Together.epoch

    def epoch(self, until=None):
        whole(self, until)
        if self.over:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(alone.Together, "epoch", epoch)
    model = MLPClassifier(**SHORT)
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        model.fit(X, LABELS)
    assert model.n_iter_ == 6


@pytest.mark.parametrize(("largest", "y"), [(X.nbytes - 1, LABELS), (3 * 90 * 45 * 8 - 1, numpy.arange(90) % 45)])
def test_rows_and_outputs_that_are_too_many_to_hold_are_left_to_the_trainer(largest, y, monkeypatch):
    monkeypatch.setattr(known, "LARGEST", largest)
    made = counted(monkeypatch)
    MLPClassifier(**SHORT).fit(X, y)
    assert not made
    monkeypatch.setattr(known, "LARGEST", largest + 1)
    MLPClassifier(**SHORT).fit(X, y)
    assert made
