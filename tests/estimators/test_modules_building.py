"""What estimators of any module are made of: options by name, dtypes, and errors that name what is wrong."""

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn import nn, optim
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


def flat(input_shape, n_outputs, dtype):
    features = int(numpy.prod(input_shape))
    return nn.Sequential(nn.Flatten(), nn.Linear(features, n_outputs, dtype=dtype))


def of_features(n_features, n_outputs):
    return nn.Linear(n_features, n_outputs)


IMAGES = X[:, None, :, None]


def without_rate(module):
    return optim.SGD(module, learning_rate=0.1)


IMPOSSIBLE = {
    "expected a module with parameters to train, ReLU has none": (X, {"module": lambda: nn.ReLU()}),
    "of_features asks for n_features, which rows of shape .* do not tell: let it ask for input_shape": (
        IMAGES, {"module": of_features},
    ),
    "expected a module for rows of shape .*: the default takes a row of features each": (IMAGES, {}),
    "Linear already, which takes no options, got width": (
        X, {"module": nn.Linear(3, 3).initialize(0), "module_options": {"width": 3}},
    ),
    "schedule='cosine' expected a learning_rate to begin with": (X, {"learning_rate": None, "schedule": "cosine"}),
    "learning_rate=None: SGD needs learning_rate, it has none of its own": (
        X, {"optimizer": "sgd", "learning_rate": None},
    ),
    "optimizer without_rate takes no learning_rate: give learning_rate=None": (X, {"optimizer": without_rate}),
    "expected learning_rate as a parameter of its own": (X, {"optimizer_options": {"learning_rate": 0.1}}),
    "loss is a CrossEntropy already: give its class beside class_weight": (
        X, {"loss": nn.CrossEntropy(), "loss_options": {"class_weight": None}},
    ),
    "label_smoothing is that of loss='log_loss'": (X, {"loss": nn.cross_entropy, "label_smoothing": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize("message", IMPOSSIBLE)
def test_what_cannot_be_is_said_before_any_work(message):
    x, options = IMPOSSIBLE[message]
    with pytest.raises(ValueError, match=message):
        quick(**options).fit(x, THREE)


def test_outputs_have_two_axes():
    def network(n_features, n_outputs, dtype):
        return nn.Sequential(nn.Linear(n_features, n_outputs, dtype=dtype), nn.Unflatten(1, (n_outputs, 1)))

    with pytest.raises(ValueError, match=r"expected to give outputs of shape \(n, outputs\), got an array of shape"):
        quick(module=network).fit(X, THREE)


@pytest.mark.parametrize("given", [{"delta": 0.0}, {"delta": -1}])
def test_delta_is_above_0(given):
    with pytest.raises(ValueError, match="loss__delta expected a number above 0"):
        quick(Regressor, loss="huber", loss_options=given).fit(X, X[:, 0])


@pytest.mark.parametrize("power", [0.5, 2.5])
def test_tweedie_power_is_from_1_to_2(power):
    with pytest.raises(ValueError, match="loss__tweedie_power expected a number from 1 to 2"):
        quick(Regressor, loss="tweedie", loss_options={"tweedie_power": power}).fit(X, abs(X[:, 0]))


def test_a_regressor_has_as_many_outputs_as_targets():
    with pytest.raises(ValueError, match=r"expected to give 2 outputs for y of shape \(60, 2\), got 3"):
        quick(Regressor, module_options={"n_outputs": 3}).fit(X, X[:, :2])


def test_partial_fit_cannot_know_where_a_schedule_ends():
    model = quick(schedule="cosine")
    with pytest.raises(ValueError, match="partial_fit cannot know where schedule='cosine' ends"):
        model.partial_fit(X, THREE, classes=[0, 1, 2])
    assert not hasattr(model, "classes_")


def test_options_go_before_what_the_data_say():
    model = quick(module_options={"dtype": "float32"}).fit(X, THREE)
    assert model.predict_proba(X).dtype == "float32"
    assert quick(module=flat).fit(IMAGES, THREE).module_[1].weight.shape == (3, 3)


def test_a_module_and_a_loss_that_are_given_are_not_touched():
    module, loss = nn.Linear(3, 3).initialize(0), nn.CrossEntropy(class_weight=numpy.asarray([1.0, 2.0, 1.0]))
    before = module.state_dict()
    model = quick(module=module, loss=loss, learning_rate=0.1).fit(X, THREE)
    assert model.module_ is not module
    assert model._objective.loss is not loss
    numpy.testing.assert_array_equal(module.weight, before["weight"])


def test_one_option_of_several_is_set_alone():
    model = Classifier(module_options={"width": 3, "depth": 2})
    assert model.set_params(module__width=5).module_options == {"width": 5, "depth": 2}
    assert model.set_params(optimizer__beta1=0.8).optimizer_options == {"beta1": 0.8}
    assert Classifier(module_options="wrong").get_params()["module_options"] == "wrong"


@pytest.mark.parametrize(
    ("loss", "options"),
    [("tweedie", {"tweedie_power": "x"}), ("tweedie", {"tweedie_power": None}), ("huber", {"delta": "x"}),
     ("huber", {"delta": None}), ("huber", {"delta": numpy.inf}), ("quantile", {"quantiles": [[0.1, 0.2]]})],
)  # fmt: skip
def test_options_of_losses_that_are_no_numbers_are_named(loss, options):
    X = numpy.random.default_rng(0).normal(size=(20, 2))
    model = Regressor(loss=loss, loss_options=options, max_epochs=1)
    with pytest.raises(ValueError, match=f"^loss__{next(iter(options))} expected"):
        model.fit(X, numpy.abs(X[:, 0]))
    assert not hasattr(model, "module_")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"module_options": {"dropout": "x"}}, "^module__dropout expected probabilities"),
     ({"class_weight": {0: -1.0}}, "^class_weight expected weights of 0 or more, got -1.0 for class 0")],
)  # fmt: skip
def test_options_of_the_default_network_and_weights_of_classes_are_checked_first(options, message):
    X = numpy.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match=message):
        Classifier(max_epochs=1, **options).fit(X, numpy.arange(20) % 2)


def test_an_optimizer_may_have_its_own_rate():
    for optimizer in (without_rate, "adam", lambda module, **options: optim.Adam(module, **options)):
        rates = quick(optimizer=optimizer, learning_rate=None).fit(X, THREE).history_["learning_rate"]
        assert rates == [0.1 if optimizer is without_rate else 0.001] * len(rates)
    assert quick(optimizer=lambda module, **options: optim.Adam(module, **options)).fit(X, THREE).n_iter_ > 0


def test_an_optimizer_of_matrices_goes_by_its_class():
    with pytest.raises(ValueError, match="The 'optimizer' parameter of Classifier must be a str among"):
        quick(optimizer="muon").fit(X, THREE)

    def network(n_features, n_outputs):
        return nn.Linear(n_features, n_outputs, bias=False)

    assert quick(module=network, optimizer=optim.Muon, max_epochs=20, learning_rate=0.05).fit(X, THREE).n_iter_ == 20
