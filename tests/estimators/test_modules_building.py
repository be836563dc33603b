"""What estimators of any module are made of: options by name, dtypes, and errors that name what is wrong."""

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn import nn
from xpnn.estimators import Classifier, Regressor

RNG = numpy.random.default_rng(5)
X = RNG.standard_normal((60, 3))
IDS = RNG.integers(0, 7, (60, 5))
THREE = numpy.digitize(X[:, 0], [-0.5, 0.5])


def quick(kind=Classifier, **options):
    return kind(**{"max_epochs": 1, "random_state": 0, **options})


def test_the_options_of_the_network_that_nobody_gave_are_those_of_the_mlps():
    one, several = (quick(module_options={"hidden_layer_sizes": size}).fit(X, THREE) for size in (8, (8,)))
    numpy.testing.assert_array_equal(one.module_[0].weight, several.module_[0].weight)
    each = {"hidden_layer_sizes": [8, 4], "activation": ["tanh", "gelu"], "normalization": "layer", "dropout": 0.1}
    kinds = [type(layer).__name__ for layer in quick(module_options=each).fit(X, THREE).module_]
    assert kinds == ["Linear", "LayerNorm", "Tanh", "Dropout", "Linear", "LayerNorm", "GELU", "Dropout", "Linear"]


REFUSED = {
    "module__activation expected one of identity, .*relu.*, got 'reluu'": {"activation": "reluu"},
    "module__activation expected one of .*, got 'tahn'": {"activation": ["relu", "tahn"], "hidden_layer_sizes": [4, 4]},
    "module__normalization expected one of batch, layer, rms, got 'bach'": {"normalization": "bach"},
    "module__hidden_layer_sizes expected whole numbers above 0, got 8.5": {"hidden_layer_sizes": 8.5},
    r"module__hidden_layer_sizes expected whole numbers above 0, got \[4, 0\]": {"hidden_layer_sizes": [4, 0]},
}


@pytest.mark.parametrize("message", REFUSED)
def test_an_option_that_is_none_is_named(message):
    with pytest.raises(ValueError, match=message):
        quick(module_options=REFUSED[message]).fit(X, THREE)


@pytest.mark.parametrize("quantiles", [[], "a", [0.5, 1.0]])
def test_quantiles_are_numbers_between_0_and_1(quantiles):
    with pytest.raises(ValueError, match="loss__quantiles expected numbers between 0 and 1, got"):
        quick(Regressor, loss="quantile", loss_options={"quantiles": quantiles}).fit(X, X[:, 0])


class Words(nn.Module):
    def __init__(self, n_outputs, dtype="float64"):
        self.table = nn.Embedding(7, 4, dtype=dtype)
        self.out = nn.Linear(4, n_outputs, dtype=dtype)

    def forward(self, x):
        y = self.table(x)
        return self.out(y.__array_namespace__().mean(y, axis=1))


class Own(Words):
    """Of a dtype of its own."""

    def __init__(self, n_outputs):
        super().__init__(n_outputs, "float64")


@pytest.mark.parametrize(
    ("module", "options", "dtype"),
    [
        (Words, {}, "float32"),
        (Words, {"dtype": "float64"}, "float64"),
        (Own, {}, "float64"),
        (Words(3).initialize(0), {}, "float64"),
    ],
    ids=["follows", "asked", "own", "given"],
)
def test_numbers_of_words_have_no_dtype_to_follow(module, options, dtype):
    model = quick(module=module, module_options=options).fit(IDS, THREE)
    assert model.predict_proba(IDS).dtype == dtype


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_no_inputs_are_named(kind):
    with pytest.raises(ValueError, match="X expected one array or more, got an empty dictionary"):
        quick(kind).fit({}, THREE)


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_held_out_rows_that_are_wrong_are_named(kind):
    for X_val in (numpy.full((2, 3), numpy.nan), X[:2, :2], X[:3]):
        with pytest.raises(ValueError, match=r"^X_val, y_val: "):
            quick(kind).fit(X, THREE, X_val=X_val, y_val=THREE[:2])
