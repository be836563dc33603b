"""Estimators of scikit-learn's kind: `pip install 'xpnn[sklearn]'`."""

import xpnn.estimators.extra  # noqa: F401 (it says what to do without scikit-learn)
from xpnn.estimators.curves import CurvesDisplay
from xpnn.estimators.mlp_classifier import MLPClassifier
from xpnn.estimators.mlp_regressor import MLPRegressor
from xpnn.estimators.modules_classifier import Classifier
from xpnn.estimators.modules_regressor import Regressor
from xpnn.estimators.search.grid import GridSearchMLP
from xpnn.estimators.tabular import TabularClassifier, TabularRegressor

__all__ = [
    "Classifier", "CurvesDisplay", "GridSearchMLP", "MLPClassifier", "MLPRegressor", "Regressor", "TabularClassifier",
    "TabularRegressor",
]  # fmt: skip
