"""Losses of `nn` mean to an estimator what they mean by themselves, or are refused by name."""

from functools import partial

import numpy
import pytest

pytest.importorskip("sklearn")

from xpnn import nn
from xpnn.estimators import Classifier, MLPRegressor, Regressor

RNG = numpy.random.default_rng(2)
X = RNG.standard_normal((80, 3))
TWO = (X[:, 0] > 0).astype(int)
LABELS = (X[:, :2] > 0).astype(int)
RATES = numpy.exp(X[:, 0] + 0.1 * RNG.standard_normal(80))
QUICK = {"max_epochs": 2, "learning_rate": 0.05, "random_state": 0}


def builds(n_features, n_outputs):
    pytest.fail("it has built a module")


@pytest.mark.parametrize("loss", [nn.binary_cross_entropy, nn.BinaryCrossEntropy, nn.BinaryCrossEntropy()], ids=repr)
def test_a_classifier_takes_no_loss_of_probabilities(loss):
    message = "takes outputs for probabilities, a classifier for logits: give 'log_loss' or .* and no sigmoid"
    with pytest.raises(ValueError, match=f"^loss=[bB]inary.* {message}"):
        Classifier(builds, loss=loss, **QUICK).fit(X, TWO)


@pytest.mark.parametrize("loss", [nn.squared_error, partial(nn.huber_error, delta=2.0), nn.AbsoluteError()], ids=repr)
@pytest.mark.parametrize("y", [TWO, LABELS], ids=["two classes", "labels"])
def test_a_classifier_takes_no_loss_of_numbers(loss, y):
    with pytest.raises(ValueError, match=r"^loss=\w+ is none of logits of classes: give 'log_loss' or a function"):
        Classifier(builds, loss=loss, **QUICK).fit(X, y)


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.CrossEntropy, nn.negative_log_likelihood, nn.MultiMargin()])
def test_a_loss_of_one_class_for_a_row_takes_no_row_of_several_labels(loss):
    with pytest.raises(ValueError, match=r"^loss=\w+ is of one class for each row, y has several labels at once"):
        Classifier(builds, loss=loss, **QUICK).fit(X, LABELS)
    assert Classifier(loss=loss, **QUICK).fit(X, TWO).predict_proba(X).shape == (80, 2)


@pytest.mark.parametrize(
    "loss", [nn.binary_cross_entropy_with_logits, nn.FocalCrossEntropy, nn.multi_label_soft_margin]
)
def test_losses_of_logits_are_of_two_classes_or_labels(loss):
    for y in (TWO, LABELS):
        model = Classifier(loss=loss, **{**QUICK, "max_epochs": 40}).fit(X, y)
        assert model.score(X, y) > 0.9


LAST = {"Sigmoid": nn.Sigmoid(), "LogSigmoid": nn.LogSigmoid(), "Softmax": nn.Softmax(), "Softmin": nn.Softmin()}


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("loss", ["log_loss", lambda y, t: nn.binary_cross_entropy(y, t)], ids=["named", "own"])
def test_a_module_that_ends_in_probabilities_is_refused(last, loss):
    def network(n_features, n_outputs):
        return nn.Sequential(nn.ReLU(), nn.Sequential({"in": nn.Linear(n_features, n_outputs), "out": LAST[last]}))

    with pytest.raises(ValueError, match=f"^the module of a classifier .* one that ends in {last}: leave that out"):
        Classifier(network, loss=loss, **QUICK).fit(X, TWO)


def test_logarithms_of_a_softmax_are_logits():
    module = nn.Sequential(nn.Linear(3, 2), nn.LogSoftmax())
    model = Classifier(module.initialize(0), loss=nn.negative_log_likelihood, **{**QUICK, "max_epochs": 40}).fit(X, TWO)
    assert model.score(X, TWO) > 0.9
    numpy.testing.assert_allclose(model.predict_log_proba(X), model.module_(X.astype("float32")), atol=1e-6)


def squares(y, t):
    return nn.squared_error(y, t)


def test_a_function_of_ones_own_may_call_what_it_likes():
    assert Classifier(loss=squares, **QUICK).fit(X, TWO).n_iter_ == 2
    assert Classifier(loss=lambda y, t: nn.hinge(y, 2 * t - 1), **QUICK).fit(X, TWO).n_iter_ == 2
    with pytest.raises(ValueError, match="for labels 0 and 1 write 2"):
        Classifier(loss=nn.hinge, **QUICK).fit(X, TWO)


COUNTS = {
    "function": {"loss": nn.poisson_negative_log_likelihood},
    "part": {"loss": partial(nn.poisson_negative_log_likelihood, full=True)},
    "class": {"loss": nn.PoissonNegativeLogLikelihood, "loss_options": {"full": True}},
    "layer": {"loss": nn.PoissonNegativeLogLikelihood()},
}


@pytest.mark.parametrize("given", COUNTS)
def test_of_logarithms_of_rates_a_regressor_predicts_rates(given):
    options = {**QUICK, "max_epochs": 30, "metrics": ["r2_score"]}
    model = Regressor(**COUNTS[given], **options).fit(X, RATES, X_val=X, y_val=RATES)
    named = Regressor(loss="poisson", **options).fit(X, RATES)
    numpy.testing.assert_allclose(
        model.predict(X), named.predict(X), rtol=1e-6
    )  # constants of the loss round otherwise
    assert model.history_.rows[-1]["val_r2_score"] == pytest.approx(model.score(X, RATES), rel=1e-12)


RATE = {
    "options": {"loss": nn.poisson_negative_log_likelihood, "loss_options": {"log_input": False}},
    "part": {"loss": partial(nn.poisson_negative_log_likelihood, log_input=False)},
    "layer": {"loss": nn.PoissonNegativeLogLikelihood(log_input=False)},
}


@pytest.mark.parametrize("given", RATE)
def test_of_rates_it_predicts_what_the_module_gives(given):
    def positive(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, n_outputs), nn.Softplus())

    model = Regressor(positive, **RATE[given], **QUICK).fit(X, RATES)
    numpy.testing.assert_array_equal(model.predict(X), model.module_(X.astype("float32"))[:, 0])


def test_of_logarithms_of_rates_an_mlp_predicts_rates():
    options = {"max_iter": 300, "learning_rate_init": 0.05, "random_state": 0}
    model = MLPRegressor(nn.poisson_negative_log_likelihood, **options).fit(X, RATES)
    assert model.out_activation_ == "exp"
    assert model.score(X, RATES) > 0.9


@pytest.mark.parametrize("loss", [nn.binary_cross_entropy_with_logits, nn.cross_entropy, nn.focal_cross_entropy])
def test_a_regression_takes_no_loss_of_logits(loss):
    for kind in (Regressor, MLPRegressor):
        with pytest.raises(ValueError, match=r"^loss=\w+ takes outputs for logits, a regression for predictions"):
            kind(loss=loss).fit(X, numpy.stack([TWO, 1 - TWO], axis=1))
