"""What a Trainer can do beside plain batches: accumulation, averages, weights by class, trees, own steps, budgets."""

import time

import numpy
import pytest
from trained import HELD_OUT, LOSS, T_HELD_OUT, X_HELD_OUT, T, X, assert_equal, everything, network, rows, trainer_of

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.optim import WeightAverage
from xpnn.training import Trainer, batch_indices
from xpnn.training.callbacks import Callback
from xpnn.training.metrics import binary_accuracy, mean_absolute_error, roc_auc

RNG = numpy.random.default_rng(31)
W = RNG.uniform(0.1, 3.0, 23)


def plain_network():
    """Without dropout and batch norm, whose numbers depend on how rows are cut into batches, in float64."""
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).initialize(seed=1).to(dtype="float64")


def weights(trainer):
    return {name: to_host(array) for name, array in trainer.model.state_dict().items()}


def assert_close(found, expected, rtol=1e-11):
    """Sums in another order, in float64."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        numpy.testing.assert_allclose(found[name], array, rtol=rtol, atol=1e-13, err_msg=name)


# Accumulation


@pytest.mark.parametrize("sample_weight", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("count", "batch_size", "accumulate"),
    [(24 - 1, 2, 3), (7, 4, 2), (12, 4, 3), (23, 5, 10)],
    ids=["short window", "4 + 3", "whole windows", "one window"],
)
def test_accumulated_batches_are_one_batch_of_them_all(count, batch_size, accumulate, sample_weight):
    w = None if sample_weight is None else sample_weight[:count]
    parts, whole = (
        trainer_of(plain_network(), accumulate=times, max_norm=0.5, average=0.9) for times in (accumulate, 1)
    )
    parts.fit(X[:count], T[:count], epochs=3, batch_size=batch_size, sample_weight=w)
    whole.fit(X[:count], T[:count], epochs=3, batch_size=batch_size * accumulate, sample_weight=w)
    assert parts.step == whole.step == int(parts.optimizer.steps)
    assert_close(weights(parts), weights(whole))
    numpy.testing.assert_allclose(parts.history["loss"], whole.history["loss"], rtol=1e-11)


def test_a_window_whose_rows_have_no_weight_moves_nothing():
    model = plain_network()
    trainer = Trainer(model, LOSS, optim.SGD(model, learning_rate=0.1), accumulate=2)
    before = weights(trainer)
    w = numpy.zeros(8)
    w[:4] = 1.0
    trainer.fit(X[:8], T[:8], steps=2, batch_size=2, sample_weight=w, shuffle=False)
    one = Trainer(model := plain_network(), LOSS, optim.SGD(model, learning_rate=0.1))
    one.fit(X[:4], T[:4], steps=1, batch_size=4, shuffle=False)
    assert_close(weights(trainer), weights(one))
    assert not numpy.array_equal(before["0.weight"], weights(trainer)["0.weight"])


def test_dropout_draws_another_mask_for_each_part():
    trainer = trainer_of(accumulate=2)
    trainer.fit(X[:12], T[:12], epochs=1, batch_size=6)
    assert int(trainer.model[3].calls) == 2
    assert trainer.step == 1


# Averages of weights


def test_the_average_is_that_of_updates_by_hand():
    trainer, by_hand = trainer_of(average=0.8), network()
    trainer.fit(X, T, epochs=3, batch_size=6)
    average = WeightAverage(by_hand, decay=0.8)
    hand = trainer_of(by_hand, compile=False)
    for step in range(1, 13):
        hand.fit(X, T, steps=1, batch_size=6)
        average.update()
        assert hand.step == step
    found = {name: to_host(array) for name, array in trainer.evaluated.state_dict().items()}
    assert_equal(found, {name: to_host(array) for name, array in average.model.state_dict().items()})
    assert_equal(weights(trainer), weights(hand))


def test_what_is_evaluated_and_predicted_is_the_average():
    average = WeightAverage(model := network(), decay=0.9)
    trainer = trainer_of(model, average=average)
    history = trainer.fit(X, T, epochs=2, batch_size=6, validation=HELD_OUT)
    y = average.model.eval()(X_HELD_OUT)
    numpy.testing.assert_array_equal(trainer.predict(X_HELD_OUT), y)
    assert not numpy.array_equal(model.eval()(X_HELD_OUT), y)
    assert history["val_loss"][-1] == trainer.evaluate(*HELD_OUT)["loss"] == float(LOSS(y, T_HELD_OUT))
    assert trainer.evaluated is average.model


def test_an_average_of_another_model_is_refused():
    with pytest.raises(ValueError, match=r"the WeightAverage of this model: WeightAverage\(model, ...\)"):
        trainer_of(average=WeightAverage(network()))


# Weights of classes

LABELS = numpy.asarray([0, 2, 2, 2, 0, 2, 2, 1, 2, 0] * 2)


def classifier():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).initialize(seed=1)


@pytest.mark.parametrize(
    ("given", "by_label"),
    [
        ("balanced", [20 / (3 * 6), 20 / (3 * 2), 20 / (3 * 12)]),
        ({0: 1.0, 1: 5.0, 2: 0.5}, [1.0, 5.0, 0.5]),
        ([1.0, 5.0, 0.5], [1.0, 5.0, 0.5]),
        ([2.0, 0.0, 1.0, 7.0], [2.0, 0.0, 1.0]),
    ],
)
@pytest.mark.parametrize("own", [False, True], ids=["alone", "with weights of rows"])
def test_weights_of_classes_are_weights_of_their_rows(given, by_label, own):
    w, mine = numpy.asarray(by_label)[LABELS], W[:20].astype("float32")  # as the trainer takes them
    by_class, by_row = (trainer_of(classifier(), loss=nn.cross_entropy) for _ in range(2))
    by_class.fit(X[:20], LABELS, epochs=3, class_weight=given, sample_weight=mine if own else None)
    by_row.fit(X[:20], LABELS, epochs=3, sample_weight=mine * w if own else w)
    assert_equal(everything(by_class), everything(by_row))
    assert rows(by_class) == rows(by_row)


def test_balanced_weights_are_those_of_scikit_learn():
    judge = pytest.importorskip("sklearn.utils.class_weight")
    by_class, by_row = (trainer_of(classifier(), loss=nn.cross_entropy) for _ in range(2))
    by_class.fit(X[:20], LABELS, epochs=2, class_weight="balanced")
    by_row.fit(X[:20], LABELS, epochs=2, sample_weight=judge.compute_sample_weight("balanced", LABELS))
    assert_equal(everything(by_class), everything(by_row))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("even", ValueError, "'balanced' or weights by label, got 'even'"),
        ({0: 1.0, 1: 1.0}, ValueError, r"no weight for label 2; it has \[0, 1\]"),
        ([1.0, 2.0], ValueError, "no weight for label 2"),
        ([1.0, -2.0, 1.0], ValueError, "finite weights of 0 or more"),
        ([1.0, numpy.nan, 1.0], ValueError, "finite weights of 0 or more"),
    ],
)
def test_weights_that_do_not_fit_the_classes_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        trainer_of(classifier(), loss=nn.cross_entropy).fit(X[:20], LABELS, epochs=1, class_weight=given)


def test_weights_of_classes_want_labels():
    with pytest.raises(TypeError, match="targets that are integer labels"):
        trainer_of().fit(X, T, epochs=1, class_weight="balanced")


# Several inputs and outputs


class TwoInputs(nn.Module):
    def __init__(self):
        self.first, self.second = nn.Linear(1, 4), nn.Linear(2, 4)
        self.last = nn.Linear(4, 1)

    def forward(self, a, b):
        return self.last(xpnn.nn.tanh(self.first(a) + self.second(b)))


def two_outputs(y, t, sample_weight=None):
    """The loss of a tuple or dictionary of outputs."""
    pairs = [(y[k], t[k]) for k in y] if isinstance(y, dict) else zip(y, t, strict=True)
    return sum(nn.squared_error(a, b, sample_weight=sample_weight) for a, b in pairs)


class TwoOutputs(nn.Module):
    def __init__(self, kind):
        self.kind, self.first, self.second = kind, nn.Linear(3, 1), nn.Linear(3, 2)

    def forward(self, x):
        y = self.first(x), self.second(x)
        return {"a": y[0], "b": y[1]} if self.kind == "dict" else y


def as_one():
    """The model of two inputs as one of a single input."""

    class One(nn.Module):
        def __init__(self):
            self.both = TwoInputs()

        def forward(self, x):
            return self.both(x[:, :1], x[:, 1:])

    return One().initialize(seed=2)


@pytest.mark.parametrize("kind", ["tuple", "list", "dict"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_several_inputs_train_as_their_parts_in_one(kind, weighted):
    def cut(x):
        parts = {"a": x[:, :1], "b": x[:, 1:]}
        return parts if kind == "dict" else {"tuple": tuple, "list": list}[kind](parts.values())

    options = {"metrics": {"error": mean_absolute_error}, "training_metrics": True, "accumulate": 2}
    whole = trainer_of(as_one(), **options)
    parts = trainer_of(TwoInputs().initialize(seed=2), **options)
    parts.model.load_state_dict({k.removeprefix("both."): v for k, v in whole.model.state_dict().items()})
    w = W if weighted else None
    whole.fit(X, T, epochs=3, batch_size=4, sample_weight=w, validation=HELD_OUT)
    parts.fit(cut(X), T, epochs=3, batch_size=4, sample_weight=w, validation=(cut(X_HELD_OUT), T_HELD_OUT))
    # slices of gathered rows may have other strides, and products then sum in another order
    numpy.testing.assert_allclose(parts.predict(cut(X)), whole.predict(X), rtol=1e-5, atol=1e-6)
    for one, other in zip(rows(parts), rows(whole), strict=True):
        assert one == {name: pytest.approx(value, rel=1e-5) for name, value in other.items()}


@pytest.mark.parametrize("kind", ["tuple", "dict"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_several_outputs_train(kind, weighted):
    targets = X[:, :1] + 1, X[:, 1:] * 2
    t = {"a": targets[0], "b": targets[1]} if kind == "dict" else targets
    w = W if weighted else None

    def error(y, t, sample_weight=None):
        y, t = (part["a"] if kind == "dict" else part[0] for part in (y, t))
        return mean_absolute_error(y, t, sample_weight=sample_weight)

    model = TwoOutputs(kind).initialize(seed=2)
    trainer = trainer_of(model, loss=two_outputs, metrics={"error": error}, training_metrics=True)
    trainer.fit(X, t, epochs=150, batch_size=6, sample_weight=w, validation=(X, t))
    y = trainer.predict(X)
    assert set(y) == {"a", "b"} if kind == "dict" else (type(y) is tuple and len(y) == 2)
    assert trainer.history["val_loss"][-1] < 0.01 < trainer.history["val_loss"][0]
    first = y["a"] if kind == "dict" else y[0]
    assert trainer.history["val_error"][-1] == pytest.approx(float(numpy.mean(numpy.abs(first - targets[0]))), rel=1e-5)


def test_inputs_of_other_lengths_are_refused():
    trainer = trainer_of(TwoInputs().initialize(seed=2))
    with pytest.raises(ValueError, match=r"as many targets as inputs, got x of shape \(23, 1\), \(20, 2\) and t of"):
        trainer.fit((X[:, :1], X[:20, 1:]), T, epochs=1)


# Steps of one's own


def own_step(model, optimizer, x, t, *w):
    weight = {"sample_weight": w[0]} if w else {}
    loss, gradients = xpnn.value_and_grad(lambda m: LOSS(m(x), t, **weight))(model)
    optimizer.step(gradients)
    return loss


@pytest.mark.parametrize("sample_weight", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("epochs", [2, 40], ids=["plain", "compiled"])
def test_a_step_that_does_what_the_built_in_one_does_gives_its_bits(epochs, sample_weight):
    own, built_in = trainer_of(step_function=own_step, average=0.9), trainer_of(average=0.9)
    for trainer in (own, built_in):
        trainer.fit(X, T, epochs=epochs, batch_size=6, sample_weight=sample_weight, validation=HELD_OUT)
        assert bool(trainer._steps().training._compiled) == (epochs == 40)
    assert_equal(everything(own), everything(built_in))
    assert rows(own) == rows(built_in)


def test_a_step_without_a_loss_is_judged_by_metrics_alone():
    trainer = trainer_of(loss=None, step_function=own_step, metrics={"accuracy": binary_accuracy})
    history = trainer.fit(X, T, epochs=2, validation=HELD_OUT)
    assert list(history.rows[0]) == ["epoch", "loss", "learning_rate", "seconds", "val_accuracy"]
    assert list(trainer.evaluate(*HELD_OUT)) == ["accuracy"]


def with_critic():
    """A trainer of two models: the second learns to predict the first's outputs."""
    model, critic = network(), nn.Linear(3, 1).initialize(seed=8)
    critic_optimizer = optim.Adam(critic, learning_rate=0.02)

    def both(model, optimizer, x, t):
        loss = own_step(model, optimizer, x, t)
        y = model(x)
        _, gradients = xpnn.value_and_grad(lambda critic: nn.squared_error(critic(x), y))(critic)
        critic_optimizer.step(gradients)
        return loss

    also = {"critic": critic, "critic optimizer": critic_optimizer}
    return trainer_of(model, step_function=both, also=also), critic


def test_further_models_of_a_step_are_saved_resumed_and_put_back(tmp_path):
    whole, critic = with_critic()
    whole.fit(X, T, epochs=30, batch_size=6)
    first, _ = with_critic()
    first.fit(X, T, steps=50, batch_size=6, checkpoint=tmp_path)
    second, again = with_critic()
    second.fit(X, T, epochs=30, batch_size=6, checkpoint=tmp_path, resume=True)
    assert_equal(everything(second), everything(whole))
    assert_equal({n: to_host(a) for n, a in again.state_dict().items()}, critic.state_dict())

    class Failing(Callback):
        def report(self, trainer, row):
            raise RuntimeError("on purpose")

    one, two = with_critic()[0], with_critic()[0]
    with pytest.raises(RuntimeError, match="on purpose"):
        one.fit(X, T, epochs=9, batch_size=6, report_every=3, callbacks=[Failing()])
    two.fit(X, T, steps=3, batch_size=6, report_every=3)
    for trainer in (one, two):
        trainer.fit(X, T, steps=5, batch_size=6, report_every=3)
    assert_equal(everything(one), everything(two))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"step_function": own_step, "accumulate": 2}, ValueError, "no max_norm, accumulate or training_metrics"),
        ({"step_function": own_step, "max_norm": 1.0}, ValueError, "no max_norm, accumulate or training_metrics"),
        ({"step_function": 3}, TypeError, "step_function to be a function, got 3"),
        ({"also": {"a": network()}}, ValueError, "`also` only beside a step_function"),
        ({"step_function": own_step, "also": {"a": 3}}, TypeError, r"also\['a'\] to have state_dict"),
    ],
)
def test_what_does_not_go_with_a_step_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        trainer_of(**options)


def test_a_step_that_gives_no_number_is_refused():
    trainer = trainer_of(step_function=lambda model, optimizer, x, t: None)
    with pytest.raises(ValueError, match="expected the step to give one number, the loss, got NoneType"):
        trainer.fit(X, T, epochs=1)


# Budgets


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5, 11])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_budget_of_steps_is_kept_exactly_and_training_can_go_on(steps, accumulate):
    parts, whole = (trainer_of(accumulate=accumulate) for _ in range(2))
    parts.fit(X, T, steps=steps, batch_size=3)  # 8 batches
    assert parts.step == int(parts.optimizer.steps) == steps
    assert parts.epoch == steps // (8 if accumulate == 1 else 3)
    parts.fit(X, T, steps=12 - steps, batch_size=3)
    whole.fit(X, T, steps=12, batch_size=3)
    assert_equal(everything(parts), everything(whole))
    assert rows(parts) == rows(whole)


def test_the_first_bound_that_is_reached_ends_it():
    trainer = trainer_of()
    trainer.fit(X, T, epochs=1, steps=100, batch_size=6)
    assert (trainer.epoch, trainer.step) == (1, 4)
    trainer.fit(X, T, epochs=5, steps=3, batch_size=6)
    assert (trainer.epoch, trainer.batch, trainer.step) == (1, 3, 7)
    trainer.fit(X, T, epochs=1, batch_size=6)  # an epoch that was begun counts
    assert (trainer.epoch, trainer.batch, trainer.step) == (2, 0, 8)


def test_other_data_begin_an_epoch_anew():
    trainer = trainer_of()
    trainer.fit(X, T, steps=2, batch_size=6)
    trainer.fit(X[:12], T[:12], epochs=1, batch_size=6)
    assert (trainer.epoch, trainer.step) == (1, 4)


def test_time_is_a_bound(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def loss(y, t):
        clock[0] += 1.0
        return LOSS(y, t)

    trainer = trainer_of(loss=loss, compile=False)
    trainer.fit(X, T, seconds=7.0, batch_size=6, report_every=1)
    assert trainer.step == 7
    assert len(trainer.history) == 1
    assert trainer.history["seconds"] == [4.0]
    trainer.fit(X, T, seconds=0.0)
    assert trainer.step == 7


# Metrics of training


@pytest.mark.parametrize("sample_weight", [None, W.astype("float32")], ids=["plain", "weighted"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_training_metrics_are_those_of_the_outputs_of_each_step(sample_weight, accumulate):
    metrics = {"auc": roc_auc, "error": mean_absolute_error, "accuracy": binary_accuracy}

    def host(part):
        return to_host(part.value if hasattr(part, "value") else part)

    class Noting(nn.Module):
        def __init__(self):
            self.net = network()

        def forward(self, x):
            y = self.net(x)
            if self.training:
                seen.append(host(xpnn.stop_gradient(y)))
            return y

    seen = []
    trainer = trainer_of(Noting(), metrics=metrics, training_metrics=True, accumulate=accumulate, compile=False)
    trainer.fit(X, T, epochs=1, batch_size=6, sample_weight=sample_weight, report_every=2)
    order = numpy.concatenate(list(batch_indices(23, 6, seed=5, epoch=0)))
    y = numpy.concatenate(seen)
    w = {} if sample_weight is None else {"sample_weight": sample_weight[order]}
    for name, metric in metrics.items():
        # the same sums in parts
        assert trainer.history[name] == [pytest.approx(metric(y, T[order], **w), rel=1e-6)], name


def test_training_metrics_change_no_bit_of_the_training():
    plain = trainer_of()
    watched = trainer_of(metrics={"accuracy": binary_accuracy, "auc": roc_auc}, training_metrics=True)
    for trainer in (plain, watched):
        trainer.fit(X, T, epochs=30, batch_size=6)
    assert_equal(weights(watched), weights(plain))
    assert watched.history["loss"] == plain.history["loss"]
