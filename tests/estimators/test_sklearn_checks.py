"""scikit-learn's own checks of estimators: none is expected to fail, but for two that no held-out split can pass."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from xpnn.estimators import MLPClassifier, MLPRegressor

ESTIMATORS = [MLPClassifier, MLPRegressor]
# Rows that are repeated and rows that count twice are held out differently.
HELD_OUT = {
    f"check_sample_weight_equivalence_on_{kind}_data": "which rows are held out depends on how many there are"
    for kind in ("dense", "sparse")
}


def expected(estimator):
    return HELD_OUT if estimator.early_stopping else {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::RuntimeWarning")
@parametrize_with_checks(
    [*(kind() for kind in ESTIMATORS), *(kind(early_stopping=True) for kind in ESTIMATORS)],
    expected_failed_checks=expected,
)
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)
