"""scikit-learn's own checks of estimators, over a small search."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from xpnn.estimators import GridSearchMLP, MLPClassifier

NETWORK = MLPClassifier((8,), max_iter=40, learning_rate_init=0.05, random_state=0)


@pytest.mark.filterwarnings("ignore")  # a few rows of noise do not converge, and some checks fail on purpose
@parametrize_with_checks([GridSearchMLP(NETWORK, {"alpha": [1e-4, 1e-2]}, cv=2)])
def test_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
