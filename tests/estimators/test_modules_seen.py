"""What metrics see of outputs: predictions where the loss learns from their logarithms, and labels one by one."""

import functools

import numpy
import pytest

pytest.importorskip("sklearn")

from sklearn import metrics

from xpnn.estimators import Classifier, Regressor
from xpnn.training.metrics import LogLoss, expected_calibration_error, f1_score

RNG = numpy.random.default_rng(5)
X = RNG.standard_normal((90, 3))
RATES = numpy.exp(X[:, 0] + X[:, 1] + RNG.normal(0, 0.2, 90))
ERRORS = ["r2_score", "mean_absolute_error", "root_mean_squared_error"]


def quick(kind, **options):
    return kind(**{"max_epochs": 4, "batch_size": 32, "learning_rate": 0.05, "random_state": 0, **options})


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_metrics_of_rates_see_what_predict_gives(loss):
    model = quick(Regressor, loss=loss, metrics=ERRORS, early_stopping=True, monitor="r2_score", patience=None)
    weight = RNG.uniform(0.1, 3.0, 30)
    model.fit(X[:60], RATES[:60], X_val=X[60:], y_val=RATES[60:], sample_weight_val=weight)
    assert model.best_epoch_ == numpy.argmax(model.history_["val_score"]) + 1
    row, given = model.history_.rows[model.best_epoch_ - 1], (RATES[60:], model.predict(X[60:]))
    for name in ERRORS:  # the sums of scikit-learn have another order
        assert row[f"val_{name}"] == pytest.approx(getattr(metrics, name)(*given, sample_weight=weight), rel=1e-12)


class Noting:
    """A metric that keeps what it sees."""

    def __init__(self):
        self.seen = []

    def __call__(self, y, t):
        self.seen.append((y, t))
        return 0.0


def test_so_do_metrics_of_ones_own_of_held_out_rows_and_of_those_trained_with():
    noting = Noting()
    quick(Regressor, loss="poisson", metrics={"mine": noting}, max_epochs=1).fit(X, numpy.stack([RATES, RATES], axis=1))
    ((y, t),) = noting.seen
    assert (y > 0).all()
    assert sorted(t[:, 0]) == sorted(RATES)
    model = quick(Regressor, loss="poisson", metrics={"mine": noting}, max_epochs=1).fit(X, RATES, X_val=X, y_val=RATES)
    numpy.testing.assert_array_equal(noting.seen[-1][0][:, 0], model.predict(X))


LABELS = numpy.stack([X[:, 0] > -0.5, X[:, 1] > 0], axis=1).astype(int)
SHARES = ["brier_score", "expected_calibration_error", "log_loss", "perplexity", "f1_score", "binary_accuracy"]


def of_labels(p):
    """What the metrics are of probabilities of labels, by scikit-learn where it has them."""
    columns = list(zip(LABELS.T, p.T, strict=True))
    surprise = numpy.mean([metrics.log_loss(t, column) for t, column in columns])
    return {
        "brier_score": numpy.mean([metrics.brier_score_loss(t, column) for t, column in columns]),
        "expected_calibration_error": expected_calibration_error(p.ravel(), LABELS.ravel(), outputs="probabilities"),
        "log_loss": surprise,
        "perplexity": numpy.exp(surprise),
        "f1_score": metrics.f1_score(LABELS, p > 0.5, average="micro"),
        "binary_accuracy": ((p > 0.5) == LABELS).mean(),
    }


def test_metrics_of_several_labels_take_each_for_itself():
    model = quick(Classifier, metrics=SHARES).fit(X, LABELS, X_val=X, y_val=LABELS)
    expected = of_labels(model.predict_proba(X))
    for name in SHARES:  # of sums in another order, and of float64 throughout
        assert model.history_.rows[-1][f"val_{name}"] == pytest.approx(expected[name], rel=1e-9)
    given = {"mine": LogLoss(), "partial": functools.partial(expected_calibration_error, bins=15)}
    model = quick(Classifier, metrics=given).fit(X, LABELS, X_val=X, y_val=LABELS)
    assert model.history_.rows[-1]["val_mine"] == pytest.approx(expected["log_loss"], rel=1e-9)
    assert model.history_.rows[-1]["val_partial"] == pytest.approx(expected["expected_calibration_error"], rel=1e-9)


def test_metrics_of_ones_own_see_the_logits_of_several_labels_as_they_are():
    noting = Noting()
    quick(Classifier, metrics={"mine": noting}, max_epochs=1).fit(X, LABELS)
    assert [array.shape for array in noting.seen[0]] == [(90, 2), (90, 2)]


def test_averages_over_classes_of_several_labels_are_refused():
    model = quick(Classifier, metrics={"macro": functools.partial(f1_score, average="macro")})
    with pytest.raises(ValueError, match="metrics 'macro' does not fit outputs of shape"):
        model.fit(X, LABELS)


QUESTIONS = numpy.stack([TWO := (X[:, 0] + X[:, 1] > 1.0).astype(int), numpy.digitize(X[:, 2], [-1, 0.5])], axis=1)
WEIGHTED = {  # targets, weights of their classes, a metric of the logits, and the same by scikit-learn
    "two": (TWO, {1: 20.0}, "accuracy", lambda y, p, w: metrics.accuracy_score(y, p, sample_weight=w)),
    "three": (QUESTIONS[:, 1], "balanced", "accuracy", lambda y, p, w: metrics.accuracy_score(y, p, sample_weight=w)),
    "labels": (LABELS, [{1: 3.0}, {0: 9.0}], "binary_accuracy", lambda y, p, w: shares(y, p, w).mean()),
    "balanced labels": (LABELS, "balanced", "binary_accuracy", lambda y, p, w: shares(y, p, w).mean()),
    "questions": (QUESTIONS, "balanced", {"right": lambda y, t, sample_weight=None: right(y, t, sample_weight)}, None),
}


def shares(y, p, w):
    return numpy.average(y == p, axis=0, weights=w)


def right(y, t, w):
    """The share of rows whose first question, of two answers, is answered rightly."""
    return float(numpy.average(y[:, :2].argmax(axis=1) == t[:, 0], weights=w))


@pytest.mark.parametrize("weight", [None, RNG.integers(0, 4, 90).astype(float)], ids=["alike", "weighted"])
@pytest.mark.parametrize("given", WEIGHTED)
@pytest.mark.parametrize("held_out", [False, True])
def test_metrics_do_not_weigh_classes(given, held_out, weight):
    y, class_weight, metric, expected = WEIGHTED[given]
    name = metric if isinstance(metric, str) else "right"
    named = [metric] if isinstance(metric, str) else metric
    options = {"metrics": named, "class_weight": class_weight, "learning_rate": 1e-12, "max_epochs": 2}
    rows = {"X_val": X, "y_val": y, "sample_weight_val": weight} if held_out else {"sample_weight": weight}
    model = quick(Classifier, **options).fit(X, y, **rows)
    p = model.predict(X)
    expected = expected(y, p, weight) if expected else numpy.average((y == p)[:, 0], weights=weight)
    assert model.history_.rows[-1][f"val_{name}" if held_out else name] == pytest.approx(expected, rel=1e-12)
    if held_out:  # the loss is weighed by class
        plain = quick(Classifier, **{**options, "class_weight": None}).fit(X, y, **rows)
        assert model.history_.rows[-1]["val_loss"] != pytest.approx(plain.history_.rows[-1]["val_loss"], rel=1e-3)


def test_held_out_rows_of_a_class_of_weight_0_count_in_metrics():
    model = quick(Classifier, class_weight={0: 0.0}, metrics=["accuracy"])
    model.fit(X, TWO, X_val=X, y_val=TWO, sample_weight_val=numpy.arange(90.0))
    assert model.history_["val_accuracy"] == model.history_["val_score"]
    assert model.history_["val_accuracy"][-1] < 0.9
    assert quick(Classifier, class_weight={0: 0.0}, metrics=["accuracy"]).fit(X, TWO).history_["accuracy"][-1] == 1.0


def test_the_weights_of_classes_may_change_between_calls_of_partial_fit():
    model = quick(Classifier, metrics=["accuracy"], class_weight={1: 20.0}, learning_rate=1e-12)
    weight = RNG.uniform(1.0, 3.0, 90)
    for class_weight in ({1: 20.0}, {0: 5.0}, None):
        model.set_params(class_weight=class_weight).partial_fit(X, TWO, weight, classes=[0, 1])
        expected = model.score(X, TWO, weight)
        assert model.history_["accuracy"][-1] == pytest.approx(expected, rel=1e-12)
