"""What metrics see of a module's outputs: predictions where the loss learns from their logarithms."""

import numpy
import pytest

pytest.importorskip("sklearn")

from sklearn import metrics

from xpnn.estimators import Regressor

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
