"""A parameter that the search has not heard of could be one that training together leaves out."""

import pytest

from xpnn.estimators import MLPClassifier, MLPRegressor

TRAINED = {
    "hidden_layer_sizes", "activation", "solver", "alpha", "batch_size", "learning_rate", "learning_rate_init",
    "power_t", "max_iter", "shuffle", "random_state", "tol", "momentum", "nesterovs_momentum", "early_stopping",
    "validation_fraction", "beta_1", "beta_2", "epsilon", "n_iter_no_change", "label_smoothing", "class_weight",
    "monitor",
}  # fmt: skip
"""Training together does what these say, or members have them in common."""
REFUSED = {
    "verbose", "warm_start", "device", "dropout", "normalization", "schedule", "max_norm", "callbacks", "loss", "n_ens",
}  # fmt: skip
"""`_can_wait` looks whether they are at their defaults."""
WITHOUT_EFFECT = {"max_fun", "compile", "quantiles", "delta", "tweedie_power"}
"""Of L-BFGS, of other losses, and of speed."""


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_the_search_knows_every_parameter(kind):
    assert set(kind().get_params(deep=False)) - TRAINED - REFUSED - WITHOUT_EFFECT == set()
