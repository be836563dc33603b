"""A monitor that has no value after any epoch is said to have none: no epoch was the best."""

import numpy
import pytest

from xpnn.estimators import Classifier, MLPClassifier, MLPRegressor, Regressor

RNG = numpy.random.default_rng(0)
X = RNG.standard_normal((60, 3)).astype("float32")
NUMBERS = X[:, 0] * 2
LABELS = (NUMBERS > 0).astype(int)
FITS = [
    (MLPClassifier(max_iter=3, random_state=0, early_stopping=True), LABELS),
    (MLPRegressor(max_iter=3, random_state=0, early_stopping=True), NUMBERS),
    (Classifier(max_epochs=3, random_state=0, early_stopping=True), LABELS),
    (Regressor(max_epochs=3, random_state=0, early_stopping=True), NUMBERS),
]


def no_number(estimator, X, y):
    """A scorer that cannot say."""
    return numpy.nan


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "y"), FITS, ids=lambda value: type(value).__name__)
def test_a_monitor_without_a_value_is_said_to_have_none(estimator, y, recwarn):
    estimator.set_params(monitor=no_number)
    with pytest.warns(UserWarning, match="monitor=.*no_number.* was nan after each epoch") as found:
        estimator.fit(X, y)
    said = [warning for warning in found if "after each epoch" in str(warning.message)]
    assert len(said) == 1
    assert said[0].filename == __file__
    assert estimator.n_iter_ >= 1
    recwarn.clear()
    estimator.set_params(monitor="loss").fit(X, y)
    assert not [warning for warning in recwarn if "after each epoch" in str(warning.message)]
