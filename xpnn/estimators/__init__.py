"""Estimators of scikit-learn's kind: `pip install 'xpnn[sklearn]'`."""

from importlib.util import find_spec

if find_spec("sklearn") is None:  # before the imports below, whose own error would not say what to do
    raise ModuleNotFoundError("xpnn.estimators needs scikit-learn: pip install 'xpnn[sklearn]'", name="sklearn")

from xpnn.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
