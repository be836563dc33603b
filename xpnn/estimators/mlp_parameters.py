"""The values that each parameter of `MLPClassifier` and `MLPRegressor` may have, in scikit-learn's terms."""

from __future__ import annotations

from math import inf
from numbers import Integral, Real
from typing import Any

from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from xpnn.arrays.devices import Device
from xpnn.estimators.network import ACTIVATIONS, NORMALIZATIONS
from xpnn.estimators.solvers import SCHEDULES, SOLVERS

__all__ = ["CONSTRAINTS"]

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), callable, "array-like"],
    "solver": [StrOptions(set(SOLVERS)), callable],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "device": [str, Device, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "normalization": [StrOptions(set(NORMALIZATIONS)), None],
    "schedule": [StrOptions(set(SCHEDULES)), callable, None],
    "max_norm": [Interval(Real, 0, None, closed="neither"), None],
    "monitor": [StrOptions({"loss", "score", *get_scorer_names()}), callable],
    "callbacks": ["array-like", None],
    "compile": ["boolean"],
    "n_ens": [Interval(Integral, 1, None, closed="left")],
}
"""Those that both have."""
