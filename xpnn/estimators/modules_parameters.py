"""The parameters of `Classifier` and `Regressor`, and parameters within them: `module__width`, `optimizer__momentum`.

scikit-learn clones an estimator from the arguments of its constructor alone, and allows none without a name of its own.
So what a module, an optimizer or a loss is made with is kept in three dictionaries, which are arguments like others;
`set_params(module__width=32)` writes into one of them and `get_params` reads it, which is what a search goes by.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from xpnn.arrays.devices import Device
from xpnn.estimators.solvers import SCHEDULES, SOLVERS

__all__ = ["CONSTRAINTS", "OPTIMIZERS", "Nested"]

OPTIMIZERS = tuple(name for name in SOLVERS if name != "lbfgs")
"""The names of optimizers: the classes of `xpnn.optim` that train by batches, in lower case. `Muon` has none: it moves
matrices only, and networks have biases."""

CONSTRAINTS: dict[str, list[Any]] = {
    "module": [callable, None],
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
    "schedule": [StrOptions(set(SCHEDULES)), callable, None],
    "max_norm": [Interval(Real, 0, None, closed="neither"), None],
    "accumulate": [Interval(Integral, 1, None, closed="left")],
    "average": [Interval(Real, 0, 1, closed="left"), None],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "monitor": [str, callable],
    "patience": [Interval(Integral, 1, None, closed="left"), None],
    "metrics": [dict, "array-like", None],
    "callbacks": ["array-like", None],
    "verbose": ["verbose"],
    "device": [str, Device, None],
    "compile": ["boolean"],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "module_options": [dict, None],
    "optimizer_options": [dict, None],
    "loss_options": [dict, None],
}
"""The values that each parameter may have, in scikit-learn's terms."""

_OPTIONS = {"module": "module_options", "optimizer": "optimizer_options", "loss": "loss_options"}


class Nested(BaseEstimator):
    """An estimator with dictionaries of options, whose entries are parameters, too."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; with `deep` the options, too, as `module__...`, `optimizer__...` and `loss__...`."""
        found: dict[str, Any] = super().get_params(deep=deep)
        if deep:
            for part, attribute in _OPTIONS.items():
                options = getattr(self, attribute)
                if isinstance(options, dict):  # anything may be in a parameter until `fit` looks
                    found |= {f"{part}__{name}": value for name, value in options.items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, and options as `module__...`, `optimizer__...` and `loss__...`."""
        plain: dict[str, Any] = {}
        options: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            part, _, name = key.partition("__")
            if name and part in _OPTIONS:
                options.setdefault(_OPTIONS[part], {})[name] = value
            else:
                plain[key] = value
        super().set_params(**plain)
        for attribute, given in options.items():
            setattr(self, attribute, {**(getattr(self, attribute) or {}), **given})
        return self
