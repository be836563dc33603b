"""What goes wrong in training: bad inputs are refused with nothing changed, a broken epoch is undone."""

import numpy
import pytest
from elsewhere import EVERYWHERE

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.arrays.probe import examine
from xpnn.training import Loader, Trainer
from xpnn.training.metrics import TopKAccuracy, accuracy

CPU = xpnn.device("cpu")
RNG = numpy.random.default_rng(23)
X = RNG.standard_normal((10, 3)).astype("float32")
T = RNG.standard_normal((10, 2)).astype("float32")
LABELS = RNG.integers(0, 2, 10)


def network(place=CPU):
    layers = nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2)
    return nn.Sequential(*layers).initialize(seed=4).to(place)


def adam(model):
    return optim.Adam(model, learning_rate=0.05)


def trainer_of(place=CPU, loss=nn.squared_error, make=adam, **options):
    model = network(place)
    return Trainer(model, loss, make(model), **{"seed": 5, **options})


def state(trainer):
    """All that training may change, in bytes."""
    arrays = {**trainer.model.state_dict(), **{f"of {k}": v for k, v in trainer.optimizer.state_dict().items()}}
    return {
        "arrays": {name: to_host(array).tobytes() for name, array in arrays.items()},
        "epoch": trainer.epoch,
        "rows": [dict(row) for row in trainer.history.rows],
    }


def changed(x, place, value):
    """`x` with one number changed."""
    y = x.copy()
    y[place] = value
    return y


# A broken epoch


class Failing:
    """A loss that does `what` at a call of the training, counted from 1 over all epochs."""

    def __init__(self, model, call, what):
        self.model, self.call, self.what, self.calls = model, call, what, 0

    def __call__(self, y, t):
        loss = nn.squared_error(y, t)
        if not self.model.training:
            return loss
        self.calls += 1
        return self.what(loss) if self.calls == self.call else loss


def raising(error):
    def fail(loss):
        raise error

    return fail


FAILURES = {
    "an error": (raising(RuntimeError("on purpose")), RuntimeError, "on purpose"),
    "an interruption": (raising(KeyboardInterrupt()), KeyboardInterrupt, "^$"),
    "an exit": (raising(SystemExit(3)), SystemExit, "3"),
    "no memory": (raising(MemoryError()), MemoryError, "It broke off in epoch 2 on .* A smaller batch_size"),
    "NaN": (
        lambda loss: loss * float("nan"),
        FloatingPointError,
        r"the training loss became nan in epoch 2\. Model and optimizer are as after step 4\.",
    ),
    "infinity": (
        lambda loss: loss * float("inf"),
        FloatingPointError,
        r"the training loss became (inf|nan) in epoch 2",
    ),
    "infinity alone": (
        lambda loss: loss + float("inf"),
        FloatingPointError,
        r"the training loss became inf in epoch 2",
    ),
    "no gradient": (lambda loss: xpnn.stop_gradient(loss), ValueError, "does not depend on any parameter"),
    "no number": (lambda loss: "text", TypeError, "got str"),
}


@EVERYWHERE
@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
def test_a_broken_epoch_is_undone_and_training_can_go_on(place, case):
    what, error, message = FAILURES[case]
    model = network(place).eval()
    loss = Failing(model, 7, what)  # four batches an epoch: the third of the second
    trainer = Trainer(model, loss, adam(model), seed=5)
    trainer.fit(X, T, epochs=1, batch_size=3)
    before = state(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(X, T, epochs=3, batch_size=3)
    assert state(trainer) == before
    again = 4 if error is FloatingPointError else 0  # the steps of the epoch are made again, to look where it began
    assert loss.calls in (7 + again, 8 + again)
    assert not model.training

    trainer.fit(X, T, epochs=2, batch_size=3)
    unbroken = trainer_of(place)
    unbroken.fit(X, T, epochs=3, batch_size=3)
    assert state(trainer)["arrays"] == state(unbroken)["arrays"]
    assert trainer.history["loss"] == unbroken.history["loss"]
    assert trainer.history["epoch"] == [1, 2, 3]


def test_an_error_in_a_later_epoch_keeps_the_earlier_ones():
    model = network().eval()
    trainer = Trainer(model, Failing(model, 10, raising(RuntimeError("on purpose"))), adam(model), seed=5)
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer.fit(X, T, epochs=5, batch_size=3)
    assert len(trainer.history) == trainer.epoch == 2
    whole = trainer_of()
    whole.fit(X, T, epochs=2, batch_size=3)
    assert state(trainer)["arrays"] == state(whole)["arrays"]


@EVERYWHERE
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_parameters_that_overflow_in_the_last_update_are_noticed(place):
    trainer = trainer_of(place, make=lambda model: optim.SGD(model, learning_rate=1e38))
    before = state(trainer)
    with pytest.raises(
        FloatingPointError, match=r"a parameter became NaN or infinite in epoch 1.*smaller learning rate"
    ):
        trainer.fit(X, 100 * T, epochs=1, batch_size=10)
    assert state(trainer) == before


def test_an_optimizer_that_fails_half_way_is_undone():
    class Failing(optim.Adam):
        def rule(self, p, g, state, rate, step, options):
            super().rule(p, g, state, rate, step, options)
            if int(step) == 3:
                raise RuntimeError("on purpose")

    trainer = trainer_of(make=lambda model: Failing(model, learning_rate=0.1, groups={"*.bias": {"beta1": 0.5}}))
    before = state(trainer)
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer.fit(X, T, epochs=1, batch_size=3)
    assert state(trainer) == before


def test_an_error_in_a_metric_comes_after_its_epoch():
    calls = []

    def failing(y, t):
        calls.append(1)
        if len(calls) > 1:  # the first call is the trial before training
            raise RuntimeError("on purpose")
        return 0.0

    trainer = trainer_of(metrics={"failing": failing})
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer.fit(X, T, epochs=2, batch_size=3, validation=(X, T))
    once = trainer_of()
    once.fit(X, T, epochs=1, batch_size=3)
    assert state(trainer)["arrays"] == state(once)["arrays"]
    assert trainer.epoch == len(trainer.history) == 1


@pytest.mark.parametrize("of", ["arrays", "a loader", "training"])
@pytest.mark.parametrize("metric", [lambda y, t: 1 / 0, TopKAccuracy(k=9)], ids=["function", "class"])
def test_an_error_in_a_metric_names_it(metric, of):
    trainer = trainer_of(metrics={"fine": nn.squared_error, "mine": metric}, training_metrics=of == "training")
    use = trainer.fit if of == "training" else trainer.evaluate
    data = (Loader(X, T),) if of == "a loader" else (X, T)
    with pytest.raises((ZeroDivisionError, ValueError, TypeError)) as caught:
        use(*data)
    assert caught.value.__notes__[0] == "It comes from the metric 'mine'"


# Bad inputs


NAN = changed(X, (4, 1), numpy.nan)
BAD = {
    "no data": (([None, T], {}), TypeError, "x expected an array, a table .*got NoneType"),
    "text": (([X.astype(str), T], {}), TypeError, "x expected real numbers, got dtype <U"),
    "objects": (([X.astype(object), T], {}), TypeError, "x expected real numbers, got dtype object"),
    "complex numbers": (([X + 0j, T], {}), TypeError, "x expected real numbers, got dtype complex64"),
    "integers into a dense layer": (
        ([X.astype(int), T], {}),
        TypeError,
        "Linear expected x of dtype .*float32.*int64",
    ),
    "no rows": (([X[:0], T[:0]], {}), ValueError, r"x has no rows: got shape \(0, 3\)"),
    "a number": (([X[0, 0], T], {}), ValueError, r"x expected an array with a row per item, got shape \(\)"),
    "too few columns": (([X[:, :2], T], {}), ValueError, r"last axis of x to be 3 .*got shape \(2, 2\)"),
    "one axis": (([X[:, 0], T], {}), ValueError, "last axis of x to be 3"),
    "fewer targets": (
        ([X, T[:9]], {}),
        ValueError,
        r"as many targets as inputs, got x of shape \(10, 3\) and t of shape \(9, 2\)",
    ),
    "targets of another shape": (([X, T[:, :1]], {}), ValueError, r"one shape, got \(2, 2\) and \(2, 1\)"),
    "integer targets": (([X, T.astype(int)], {}), TypeError, "targets of dtype .*float32.*int64"),
    "NaN": (([NAN, T], {}), ValueError, "x holds NaN, infinity .* in 1 of 10 rows, first in row 4"),
    "infinity": (([changed(X, 9, numpy.inf), T], {}), ValueError, "x holds NaN, infinity .* first in row 9"),
    "NaN in targets": (([X, changed(T, 2, numpy.nan)], {}), ValueError, "t holds NaN, infinity .* first in row 2"),
    "too large": (([X.astype(float) * 1e300, T], {}), ValueError, "too large for float32 in 10 of 10 rows"),
    "a masked array": (([numpy.ma.masked_array(X), T], {}), TypeError, "MaskedArray"),
    "weights of another length": (([X, T], {"sample_weight": numpy.ones(9)}), ValueError, r"shape \(10,\).*got \(9,\)"),
    "negative weights": (([X, T], {"sample_weight": -numpy.ones(10)}), ValueError, "weights of 0 or more"),
    "no weight at all": (([X, T], {"sample_weight": numpy.zeros(10)}), ValueError, "not all 0"),
    "a NaN weight": (([X, T], {"sample_weight": NAN[:, 1]}), ValueError, "sample_weight holds NaN"),
    "no epochs": (([X, T], {"epochs": -1}), ValueError, "epochs to be an integer of 0 or more, got -1"),
    "half an epoch": (([X, T], {"epochs": 1.5}), ValueError, "epochs to be an integer of 0 or more, got 1.5"),
    "no batch": (([X, T], {"batch_size": 0}), ValueError, "batch_size to be an integer of 1 or more, got 0"),
    "half a batch": (([X, T], {"batch_size": 2.5}), ValueError, "batch_size to be an integer of 1 or more, got 2.5"),
    "validation of one": (([X, T], {"validation": (X,)}), ValueError, "validation to be .*got tuple of length 1"),
    "validation as an array": (([X, T], {"validation": X}), ValueError, "validation to be .*got ndarray of length 10"),
    "validation as a number": (([X, T], {"validation": 0.2}), ValueError, "validation to be .*got float"),
    "validation without rows": (([X, T], {"validation": (X[:0], T[:0])}), ValueError, "^validation: x has no rows"),
    "NaN in validation": (([X, T], {"validation": (NAN, T)}), ValueError, "^validation: x holds NaN"),
    "validation of another shape": (([X, T], {"validation": (X[:, :2], T)}), ValueError, "^validation: .*last axis"),
}


@EVERYWHERE
@pytest.mark.parametrize("case", BAD)
def test_bad_inputs_are_refused_and_nothing_changes(place, case):
    (args, options), error, message = BAD[case]
    trainer = trainer_of(place)
    trainer.model.train()
    before = state(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(*args, **{"epochs": 2, "batch_size": 3, **options})
    assert state(trainer) == before
    assert all(module.training for _, module in trainer.model.named_modules())


@EVERYWHERE
@pytest.mark.parametrize("case", [case for case, ((_, options), *_) in BAD.items() if not options])
def test_evaluate_refuses_the_same(place, case):
    (args, _), error, message = BAD[case]
    trainer = trainer_of(place)
    with pytest.raises(error, match=message):
        trainer.evaluate(*args)


@EVERYWHERE
@pytest.mark.parametrize(
    ("dtype", "wrong", "given"),
    [
        ("int64", 2, "from 0 to 2"),
        ("int8", 100, "from 0 to 100"),
        ("uint8", 255, "from 0 to 255"),
        ("int64", -1, "from -1 to 1"),
    ],
)
def test_labels_out_of_range_are_refused_wherever_they_are(place, dtype, wrong, given):
    labels = changed(LABELS, 0, 0)
    labels[1] = 1
    bad = changed(labels, 9, wrong).astype(dtype)
    trainer = trainer_of(place, nn.cross_entropy, metrics={"accuracy": accuracy})
    before = state(trainer)
    message = rf"labels from 0 to 1 for 2 (outputs|classes), got (labels {given}|{wrong})"
    for use in (
        lambda: trainer.fit(X, bad, epochs=1),
        lambda: trainer.fit(X, labels, epochs=1, validation=(X, bad)),
        lambda: trainer.evaluate(X, bad),
    ):
        with pytest.raises(ValueError, match=message):
            use()
    assert state(trainer) == before
    trainer.fit(X, labels.astype(dtype), epochs=1)


@EVERYWHERE
def test_labels_as_floats_or_in_columns_are_refused(place):
    trainer = trainer_of(place, nn.cross_entropy)
    before = state(trainer)
    for bad, shape in ((LABELS.astype(float), r"\(2,\)"), (LABELS[:, None], r"\(2, 1\)")):
        with pytest.raises(ValueError, match=shape):
            trainer.fit(X, bad, epochs=1)
    assert state(trainer) == before


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (
            lambda y, t: nn.squared_error(y, t, reduction="none"),
            ValueError,
            r"loss to give one number, got shape \(2, 2\) \(tried with 2 of \d+ rows\)$",
        ),
        (lambda y, t: 0.0, ValueError, "loss to give one number made of the outputs, got a float"),
        (lambda y, t: None, ValueError, "loss to give one number made of the outputs, got a NoneType"),
        (lambda y: y, TypeError, "positional argument"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_before_training(loss, error, message):
    trainer = trainer_of(loss=loss)
    before = state(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(X, T, epochs=1)
    assert state(trainer) == before


def test_a_loss_that_takes_no_weights_is_refused_before_training():
    trainer = trainer_of(loss=lambda y, t: nn.squared_error(y, t))
    before = state(trainer)
    with pytest.raises(TypeError, match="sample_weight"):
        trainer.fit(X, T, epochs=1, sample_weight=numpy.ones(10))
    assert state(trainer) == before


@EVERYWHERE
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[:, :2], ValueError, "last axis of x to be 3"),
        (X[:0, :2], ValueError, r"last axis of x to be 3 .* got shape \(0, 2\)"),
        (NAN, ValueError, "x holds NaN"),
        (X[0, 0], ValueError, r"x expected an array with a row per item, got shape \(\)"),
        (X.astype(int), TypeError, "int64"),
        (X.astype(str), TypeError, "real numbers, got dtype <U"),
        (None, TypeError, "NoneType"),
    ],
)
def test_predict_refuses_what_it_cannot_take(place, x, error, message):
    with pytest.raises(error, match=message):
        trainer_of(place).predict(x)


def test_a_validation_loader_that_does_not_fit_is_refused_before_training():
    trainer = trainer_of()
    before = state(trainer)
    with pytest.raises(ValueError, match=r"^validation: .*last axis of x to be 3"):
        trainer.fit(X, T, epochs=1, validation=Loader(X[:, :2], T))
    assert state(trainer) == before


@pytest.mark.parametrize("weights", [[1, -1, 1], [1, float("nan"), 1]])
def test_weights_of_a_stream_that_are_below_0_are_refused(weights):
    def batches():
        yield X[:3], T[:3], numpy.ones(3, dtype="float32")
        yield X[3:6], T[3:6], numpy.asarray(weights, dtype="float32")

    trainer = trainer_of()
    before = state(trainer)
    with pytest.raises(ValueError, match=r"expected weights of 0 or more in each batch, got (-1.0|nan)"):
        trainer.fit(Loader(batches, batch_size=None), epochs=1)
    assert state(trainer) == before
    with pytest.raises(ValueError, match="expected weights of 0 or more"):
        trainer.evaluate(Loader(batches, batch_size=None))


def test_predict_refuses_inputs_of_several_lengths():
    class Two(nn.Module):
        def __init__(self):
            self.inside = nn.Linear(3, 1)

        def forward(self, a, b):
            return self.inside(a) + b

    model = Two().initialize(seed=0)
    trainer = Trainer(model, nn.squared_error, adam(model))
    for rows in (1, 9):
        with pytest.raises(ValueError, match=rf"as many rows in each input, got shapes \(10, 3\), \({rows}, 2\)"):
            trainer.predict((X, T[:rows]))
    assert trainer.predict((X[:0], T[:0, :1])).shape == (0, 1)


def test_no_rows_of_integers_stay_integers():
    model = nn.Sequential(nn.Embedding(5, 4)).initialize(seed=0)
    trainer = Trainer(model, nn.squared_error, adam(model))
    assert trainer.predict(numpy.zeros(0, dtype="int64")).shape == (0, 4)


@pytest.mark.parametrize("name", ["shuffle", "resume", "progress"])
@pytest.mark.parametrize("value", ["no", 0, 1])
def test_what_is_neither_true_nor_false_is_refused(name, value):
    with pytest.raises(TypeError, match=f"fit expected {name} to be True or False, got {value!r}"):
        trainer_of().fit(X, T, epochs=1, **{name: value})


def test_seconds_are_no_truth_value():
    with pytest.raises(ValueError, match="seconds of 0 or more, got True"):
        trainer_of().fit(X, T, seconds=True)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None])
def test_predict_refuses_a_bad_batch_size(batch_size):
    with pytest.raises(ValueError, match="batch_size to be an integer of 1 or more"):
        trainer_of().predict(X, batch_size=batch_size)


def test_one_row_is_enough(place):
    trainer = trainer_of(place)
    trainer.fit(X[:1], T[:1], epochs=1, sample_weight=numpy.ones(1), validation=(X[:1], T[:1]))
    assert trainer.predict(X[:1]).shape == (1, 2)


# The trainer itself


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda m: Trainer(None, nn.squared_error, adam(m)), TypeError, "expected a model .* got NoneType"),
        (lambda m: Trainer(m, nn.squared_error, adam(network())), ValueError, "optimizer made for this model"),
        (lambda m: Trainer(m, nn.squared_error, "adam"), TypeError, "expected an optimizer, such as"),
        (lambda m: Trainer(m, nn.squared_error, None), TypeError, "expected an optimizer, such as"),
        (lambda m: Trainer(m, "squared error", adam(m)), TypeError, "expected a loss function, got str"),
        (lambda m: Trainer(m, nn.squared_error, adam(m), max_norm=0.0), ValueError, "max_norm above 0, got 0"),
        (
            lambda m: Trainer(m, nn.squared_error, adam(m), max_norm=float("nan")),
            ValueError,
            "max_norm above 0, got nan",
        ),
        (
            lambda m: Trainer(m, nn.squared_error, adam(m), device="gpu"),
            ValueError,
            "unknown device 'gpu': expected 'auto'",
        ),
        (lambda m: Trainer(m, nn.squared_error, adam(m), device="cuda:x"), ValueError, "unknown device 'cuda:x'"),
        (lambda m: Trainer(m, nn.squared_error, adam(m), device=1), TypeError, "expected a device word .* got int"),
    ],
)
def test_a_trainer_of_what_does_not_fit_together_is_refused(make, error, message):
    model = network()
    before = {name: array.tobytes() for name, array in model.state_dict().items()}
    with pytest.raises(error, match=message):
        make(model)
    assert {name: array.tobytes() for name, array in model.state_dict().items()} == before


@pytest.mark.skipif(examine().usable, reason="there is a GPU")
def test_a_missing_gpu_is_an_error_and_leaves_the_model_alone():
    model = network()
    weight = model[0].weight
    optimizer = adam(model)
    with pytest.raises(xpnn.DeviceUnavailable):
        Trainer(model, nn.squared_error, optimizer, device="cuda")
    assert isinstance(weight, numpy.ndarray)
    assert isinstance(model[0].weight, numpy.ndarray)


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**64, ValueError), (1.5, TypeError), (None, TypeError)]
)
def test_a_bad_seed_is_refused_before_training(seed, error):
    with pytest.raises(error, match="seed"):
        trainer_of(seed=seed).fit(X, T, epochs=1)


def test_arrays_of_jax_are_data_but_no_place_to_train():
    jax = pytest.importorskip("jax", reason="JAX is not installed; its arrays cannot be written in place")
    x, t = jax.numpy.asarray(X), jax.numpy.asarray(T)
    trainer = trainer_of()
    trainer.fit(x, t, epochs=1)
    assert isinstance(trainer.model[0].weight, numpy.ndarray)
    assert type(trainer.predict(x)) is type(x)


def test_a_last_batch_of_one_row_is_named():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).initialize(seed=0)
    with pytest.raises(ValueError, match="shape") as caught:
        Trainer(model, nn.squared_error, adam(model)).fit(X, T, batch_size=3, epochs=1, progress=False)
    assert "last batch of an epoch has 1 of 10 rows" in caught.value.__notes__[0]
