"""Estimators of scikit-learn's kind: `pip install 'xpnn[sklearn]'`."""

from xpnn.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
