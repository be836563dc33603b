"""What a fit reports: scikit-learn's loss with its penalty, the best score, and what held-out rows cost."""

import warnings

import numpy
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

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
    assert len(model.validation_scores_) == (1 if held_out else 0)


def test_the_same_rows_held_out_and_trained_with_have_the_same_loss():
    several = numpy.stack([LABELS, 1 - LABELS, X[:, 1] > 0], axis=1).astype(int)
    for y in (LABELS, numpy.arange(90) % 3, several, sparse.csr_matrix(several)):
        model = MLPClassifier(**STILL, alpha=0.0, class_weight="balanced").fit(X, y, X_val=X, y_val=y)
        assert model.validation_loss_curve_ == [pytest.approx(model.loss_, rel=1e-9)]
