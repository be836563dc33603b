"""Two estimators, xpnn's and scikit-learn's, with the same weights: what they do then can be compared."""

import warnings
from math import inf

import numpy
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

from xpnn import estimators

STILL = {
    "solver": "sgd", "learning_rate_init": 1e-30, "momentum": 0.0, "alpha": 0.0, "max_iter": 1, "warm_start": True,
    "shuffle": False, "random_state": 0,
}  # fmt: skip


def twins(kind, X, y, *, hidden=(5,), **options):
    """Both with ours' first weights, and as if they had seen nothing yet."""
    given = {**STILL, "hidden_layer_sizes": hidden}
    first = {name: options[name] for name in ("activation", "loss") if name in options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours, theirs = (getattr(module, kind)(**given, **first).fit(X, y) for module in (estimators, neural_network))
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            other[...] = one
    ours._begun = None  # both begin their optimizers anew
    del theirs._optimizer
    for model in (ours, theirs):
        model.t_ = 0
        model.best_loss_ = inf
        model.set_params(**options)
    return ours, theirs


def assert_twins(ours, theirs, rtol=1e-9):
    """That both have the same weights; in float64 sums in another order differ by some 1e-16 a step."""
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            numpy.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
