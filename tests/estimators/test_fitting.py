"""What a fit reports: scikit-learn's loss with its penalty, the best score, and what held-out rows cost."""

import gc
import math
import warnings
import weakref

import numpy
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from xpnn import estimators
from xpnn.estimators import MLPClassifier, MLPRegressor

RNG = numpy.random.default_rng(8)
X = RNG.standard_normal((90, 4))
LABELS = (X[:, 0] > 0.8).astype(int)
NUMBERS = RNG.standard_normal((90, 3))
STILL = {"learning_rate_init": 1e-12, "max_iter": 1, "random_state": 0, "shuffle": False, "hidden_layer_sizes": (6,)}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@pytest.mark.parametrize("batch_size", [90, 40])
def test_the_loss_of_several_targets_has_the_whole_penalty(batch_size):
    model = MLPRegressor(**STILL, alpha=50.0, batch_size=batch_size).fit(X, NUMBERS)
    squares = sum((w**2).sum() for w in model.coefs_)
    batches = -(-90 // batch_size)
    expected = 0.5 * ((model.predict(X) - NUMBERS) ** 2).mean() + 25.0 * squares * batches / 90
    assert model.loss_ == pytest.approx(expected, rel=1e-9)  # weights moved by 1e-12
    # scikit-learn's own: the same but for the weights
    theirs = neural_network.MLPRegressor(**STILL, alpha=50.0, batch_size=batch_size).fit(X, NUMBERS)
    squares = sum((w**2).sum() for w in theirs.coefs_)
    expected = 0.5 * ((theirs.predict(X) - NUMBERS) ** 2).mean() + 25.0 * squares * batches / 90
    assert theirs.loss_ == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_lbfgs_has_the_whole_penalty(weighted):
    weights = RNG.uniform(0.5, 2, 90) if weighted else None
    model = MLPRegressor(hidden_layer_sizes=(6,), alpha=5.0, solver="lbfgs", max_iter=4, random_state=0)
    model.fit(X, NUMBERS, weights)
    error = numpy.average((model.predict(X) - NUMBERS) ** 2, weights=weights, axis=0).mean()
    squares = sum((w**2).sum() for w in model.coefs_)
    assert model.loss_ == pytest.approx(0.5 * error + 2.5 * squares / (90 if weights is None else weights.sum()))


def test_a_best_score_of_zero_is_kept():
    """Scores 0, then below: `0.0 or score` took the last."""
    scores = iter([0.0, -0.5, -0.7])
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0)
    model._scored = lambda *_: next(scores)
    model.fit(X, X[:, 0], X_val=X, y_val=X[:, 0])
    assert model.validation_scores_ == [0.0, -0.5, -0.7]
    assert model.best_validation_score_ == 0.0


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 9.0}, "balanced"])
def test_held_out_rows_weigh_as_those_of_their_class_in_training(class_weight):
    options = {**STILL, "alpha": 0.0, "class_weight": class_weight}
    part = numpy.flatnonzero(LABELS)[:3].tolist() + numpy.flatnonzero(LABELS == 0)[:3].tolist()
    counts = RNG.uniform(0.5, 2, 6)
    model = MLPClassifier(**options).fit(X, LABELS, X_val=X[part], y_val=LABELS[part], sample_weight_val=counts)
    balanced = dict(enumerate(90 / (2 * numpy.bincount(LABELS))))
    by_class = balanced if class_weight == "balanced" else class_weight
    of_rows = numpy.log(model.predict_proba(X[part])[numpy.arange(6), LABELS[part]])
    weights = counts * [by_class[label] for label in LABELS[part]]
    assert model.validation_loss_curve_ == [pytest.approx(-numpy.average(of_rows, weights=weights))]
    # the score is that of scikit-learn's functions with the weights that were given
    assert model.validation_scores_ == [model.score(X[part], LABELS[part], counts)]


def test_rows_that_early_stopping_holds_out_weigh_by_class_too():
    seen = []
    model = MLPClassifier(
        **STILL,
        alpha=0.0,
        early_stopping=True,
        class_weight={0: 1.0, 1: 9.0},
        monitor=lambda _, X, y: seen.append((X, y)) or 0,
    ).fit(X, LABELS)
    ((rows, labels),) = seen
    assert len(rows) == 9
    of_rows = numpy.log(model.predict_proba(rows)[numpy.arange(9), labels])
    weights = numpy.asarray([1.0, 9.0])[labels]
    assert model.validation_loss_curve_ == [pytest.approx(-numpy.average(of_rows, weights=weights))]
    assert model.validation_scores_ == [model.score(rows, labels)]


@pytest.mark.parametrize(("rows", "held_out"), [(8, 0), (10, 0), (11, 2), (20, 2)])
def test_a_part_of_one_row_decides_nothing(rows, held_out):
    model = MLPRegressor(**STILL, early_stopping=True).fit(X[:rows], NUMBERS[:rows])
    assert model.t_ == rows - held_out
    if held_out:
        assert len(model.validation_scores_) == 1
        assert model.best_validation_score_ == model.validation_scores_[0]
    else:
        assert model.validation_scores_ is model.validation_loss_curve_ is model.best_validation_score_ is None
        assert model.best_loss_ == model.loss_


@pytest.mark.parametrize("callbacks", [None, [lambda trainer, row: None]], ids=["alone", "by a Trainer"])
def test_epochs_without_rows_held_out_have_no_value_in_the_curves(callbacks):
    y = NUMBERS[:, 0]
    options = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, "callbacks": callbacks}
    model = MLPRegressor(**options, warm_start=True).fit(X, y)
    model.set_params(early_stopping=True, monitor="neg_max_error").fit(X, y)
    known = [math.isnan(value) for value in model.monitored_curve_]
    assert known == [True, True, False, False]
    model.set_params(early_stopping=False, monitor="loss").fit(X, y)
    for curve in (model.validation_loss_curve_, model.validation_scores_):
        assert [math.isnan(value) for value in curve] == [True, True, False, False, True, True]
    assert len(model.loss_curve_) == 6
    assert model.monitored_curve_ is None
    model.partial_fit(X, y, X_val=X, y_val=y).partial_fit(X, y)
    assert [math.isnan(value) for value in model.validation_scores_[6:]] == [False, True]
    later = MLPRegressor(**options).partial_fit(X, y).partial_fit(X, y, X_val=X, y_val=y)
    assert [math.isnan(value) for value in later.validation_loss_curve_] == [True, False]


def test_lbfgs_keeps_no_curves_of_the_epochs_before():
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, warm_start=True, early_stopping=True, random_state=0)
    model.fit(X, NUMBERS).set_params(solver="lbfgs", early_stopping=False).fit(X, NUMBERS)
    plain = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, warm_start=True, solver="lbfgs", random_state=0)
    assert set(vars(model)) == set(vars(plain.fit(X, NUMBERS)))
    assert not hasattr(model, "loss_curve_")


def test_the_same_rows_held_out_and_trained_with_have_the_same_loss():
    several = numpy.stack([LABELS, 1 - LABELS, X[:, 1] > 0], axis=1).astype(int)
    for y in (LABELS, numpy.arange(90) % 3, several, sparse.csr_matrix(several)):
        model = MLPClassifier(**STILL, alpha=0.0, class_weight="balanced").fit(X, y, X_val=X, y_val=y)
        assert model.validation_loss_curve_ == [pytest.approx(model.loss_, rel=1e-9)]


def judged(values, **options):
    """A fit whose held-out rows are judged by these numbers, one an epoch."""
    given = iter(values)
    options = {"max_iter": len(values), "random_state": 0, "hidden_layer_sizes": (4,), **options}
    return MLPRegressor(**options, early_stopping=True, monitor=lambda *_: next(given)).fit(X, NUMBERS[:, 0])


@pytest.mark.parametrize(
    ("values", "epochs"),
    [
        ([0.1, 0.1, 0.1, 0.1, 0.1], 4),
        ([0.1, 0.1 + 9e-5, 0.1 + 1.7e-4, 0.1 + 2.6e-4, 0.2], 4),  # less than tol better than the best so far
        ([0.1, 0.1, 0.3, 0.3, 0.5], 5),
        ([numpy.nan, 0.1, 0.2, 0.3, 0.4], 5),  # what had no value is no bar
        ([0.1, numpy.nan, numpy.nan, 0.5, 0.1], 5),
        ([0.1, numpy.nan, numpy.nan, numpy.nan, 0.5], 4),
    ],
)
def test_it_stops_when_the_number_is_not_better_by_tol_for_long_enough(values, epochs):
    assert judged(values, n_iter_no_change=2).n_iter_ == epochs


def test_it_stops_where_there_is_no_number_at_all_and_says_so():
    with pytest.warns(UserWarning, match="was nan after each epoch"):
        assert judged([numpy.nan] * 5, n_iter_no_change=2).n_iter_ == 3


@pytest.mark.parametrize(("values", "best"), [([0.1, 0.4, 0.2], 2), ([numpy.nan, 0.1, 0.1], 2), ([0.3, 0.2, 0.1], 1)])
def test_the_weights_are_those_of_the_best_epoch(values, best):
    model = judged(values, n_iter_no_change=9)
    numpy.testing.assert_array_equal(model.coefs_[0], judged(values[:best], n_iter_no_change=9).coefs_[0])
    last = judged([1.0, 2.0, 3.0], n_iter_no_change=9)
    assert abs(model.coefs_[0] - last.coefs_[0]).max() > 0


def test_each_fit_has_its_own_best_epoch():
    """The second one, of a warm start, is worse than the first from its beginning."""
    given = iter([0.7, 0.9, 0.3, 0.5, 0.4])
    options = {"hidden_layer_sizes": (4,), "early_stopping": True, "warm_start": True, "random_state": 0}
    model = MLPRegressor(**options, max_iter=2, monitor=lambda *_: next(given)).fit(X, NUMBERS)
    assert model.best_epoch_ == 2
    model.set_params(max_iter=3).fit(X, NUMBERS)
    assert model.best_epoch_ == 4
    model.set_params(monitor="loss").partial_fit(X, NUMBERS)
    assert model.best_epoch_ is None  # the weights are those of now


@pytest.mark.parametrize("rate", [1e-5, 3e-6, 1e-6])
def test_an_adaptive_rate_goes_down_to_a_millionth_as_scikit_learns_does(rate):
    options = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": rate, "tol": 9.0, "random_state": 0}
    ours, theirs = (
        module.MLPRegressor(hidden_layer_sizes=(4,), n_iter_no_change=1, **options)
        for module in (estimators, neural_network)
    )
    assert ours.fit(X, NUMBERS).n_iter_ == theirs.fit(X, NUMBERS).n_iter_


def test_a_loss_that_stays_is_no_worse_with_a_tol_of_0_as_scikit_learns():
    options = {**STILL, "learning_rate_init": 1e-300, "max_iter": 5, "n_iter_no_change": 1, "tol": 0.0}
    for module in (estimators, neural_network):
        assert module.MLPRegressor(**options, solver="sgd").fit(X, NUMBERS).n_iter_ == 5


def test_a_score_that_stays_is_no_worse_with_a_tol_of_0_as_scikit_learns():
    rates = {"learning_rate_init": 1e-9, "early_stopping": True, "random_state": 0}
    options = {**rates, "tol": 0.0, "n_iter_no_change": 2, "max_iter": 5}
    theirs = neural_network.MLPClassifier((3,), **options).fit(X, LABELS)
    assert len(set(theirs.validation_scores_)) == 1
    for compile in (True, False):
        ours = MLPClassifier((3,), **options, monitor="score", compile=compile).fit(X, LABELS)
        assert len(set(ours.validation_scores_)) == 1
        assert ours.n_iter_ == theirs.n_iter_ == 5
        assert ours.best_epoch_ == 1
    assert judged([0.1] * 6, n_iter_no_change=2, tol=0.0).n_iter_ == 6


def test_what_a_callback_ends_is_no_failure_to_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, callbacks=[lambda trainer, row: True])
        assert model.fit(X, NUMBERS).n_iter_ == 1


def test_sparse_rows_are_held_out_as_dense_ones():
    options = {"max_iter": 3, "random_state": 0, "hidden_layer_sizes": (4,), "early_stopping": True}
    dense, one = (MLPClassifier(**options).fit(kind(X), LABELS) for kind in (numpy.asarray, sparse.csr_matrix))
    assert one.validation_loss_curve_ == pytest.approx(dense.validation_loss_curve_)
    given = MLPClassifier(**options).fit(X, LABELS, X_val=sparse.csr_matrix(X), y_val=LABELS)
    plain = MLPClassifier(**options).fit(X, LABELS, X_val=X, y_val=LABELS)
    assert given.validation_loss_curve_ == pytest.approx(plain.validation_loss_curve_)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_are_let_go_of(method):
    rows, targets = X.copy(), NUMBERS.copy()
    seen = weakref.ref(rows), weakref.ref(targets)
    model = getattr(MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, shuffle=False), method)(rows, targets)
    del rows, targets
    gc.collect()
    assert model.t_ > 0
    assert [one() for one in seen] == [None, None]
