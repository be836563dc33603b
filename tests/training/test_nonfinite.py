"""NaN and infinity while a model is trained: named by step, batch, layer and row, skipped, or ignored."""

import math
import re

import numpy
import pytest
from trained import HELD_OUT, LOSS, T, X, assert_equal, everything, network, trainer_of

import xpnn
from xpnn import nn, optim
from xpnn.arrays.native import to_host
from xpnn.training import Checkpoints, Loader, Trainer, batch_indices, load
from xpnn.training.callbacks import Callback
from xpnn.training.metrics import binary_accuracy
from xpnn.training.steps import Layout

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, where it computes NaN

BAD = 13  # the row that a layer makes NaN of


class Root(nn.Module):
    """x -> sqrt(x + 1) in its first column: NaN for rows whose first column is below -1."""

    def forward(self, x):
        xp = xpnn.namespace_of(x)
        first = xp.sqrt(x[:, :1] + 1)
        return xp.concat([first, x[:, 1:]], axis=1)


def fragile(seed=3):
    layers = nn.Linear(3, 3), nn.Sequential(Root(), nn.Dropout(0.2)), nn.Linear(3, 1)
    model = nn.Sequential(*layers).initialize(seed=seed)
    model[0].weight[...] = numpy.eye(3)
    model[0].bias[...] = 0
    return model


INSIDE = numpy.clip(X, -0.9, 3)  # good rows
SPOILED = INSIDE.copy()
SPOILED[BAD, 0] = -5


def where_is(row, batch_size, epoch=0, seed=5, rows=23):
    """The number of the batch that has this row."""
    batches = list(batch_indices(rows, batch_size, seed=seed, epoch=epoch))
    return next(n for n, batch in enumerate(batches) if row in batch)


def fragile_trainer(**options):
    model = options.pop("model", None) or fragile()
    loss = options.pop("loss", LOSS)
    return Trainer(model, loss, optim.Adam(model, learning_rate=1e-3), seed=5, **options)


# Raise


@pytest.mark.parametrize("report_every", [1, 2, 100])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_error_names_step_batch_layer_and_row(report_every, accumulate):
    trainer = fragile_trainer(accumulate=accumulate)
    with pytest.raises(FloatingPointError) as caught:
        trainer.fit(SPOILED, T, epochs=3, batch_size=3, report_every=report_every)
    bad = where_is(BAD, 3) // accumulate  # the step
    first = bad * accumulate + 1
    message = str(caught.value)
    assert message.startswith(
        f"the training loss became nan in epoch 1, step {bad + 1} (batch {first} of the epoch): the output of 1.0 "
        f"(Root) is not finite for row {BAD} of the data. "
    )
    kept = bad - bad % report_every
    assert f"Model and optimizer are as after step {kept}." in message
    assert (trainer.step, trainer.batch) == (kept, kept * accumulate)
    assert all(numpy.isfinite(array).all() for array in everything(trainer).values())


def test_after_the_error_training_goes_on_from_the_look_before():
    trainer, plain = fragile_trainer(), fragile_trainer()
    with pytest.raises(FloatingPointError):
        trainer.fit(SPOILED, T, epochs=3, batch_size=3, report_every=2)
    trainer.fit(INSIDE, T, epochs=2, batch_size=3, report_every=2)
    kept = where_is(BAD, 3) // 2 * 2
    plain.fit(SPOILED, T, steps=kept, batch_size=3, report_every=2)
    plain.fit(INSIDE, T, epochs=2, batch_size=3, report_every=2)
    assert_equal(everything(trainer), everything(plain))


def test_a_row_of_a_loader_is_named_by_its_place_in_the_batch():
    x = INSIDE.copy()
    x[BAD, 1] = math.nan  # a loader's rows are not looked at beforehand
    trainer = fragile_trainer()
    with pytest.raises(
        FloatingPointError, match=r"step 5 \(batch 5 of the epoch\): x holds NaN .* in row 1 of the batch"
    ):
        trainer.fit(Loader(x, T, batch_size=3, shuffle=False), epochs=1)


def test_a_loss_that_is_not_finite_is_named():
    def loss(y, t):
        xp = xpnn.namespace_of(y)
        return xp.log(xp.mean(y * 0 + t) - 1.0)  # where all targets are 1: -inf; else NaN

    trainer = fragile_trainer(loss=loss)
    trainer.loss = lambda y, t: loss(y, t) if int(trainer.optimizer.steps) > 2 else LOSS(y, t)
    with pytest.raises(FloatingPointError, match=r"step 4 .*: the outputs are finite, the loss is (nan|-inf)\. "):
        trainer.fit(INSIDE, T, epochs=1, batch_size=3, report_every=1)


def test_a_gradient_that_is_not_finite_is_named():
    def loss(y, t):
        xp = xpnn.namespace_of(y)
        return LOSS(y, t) + xp.sum(xp.sqrt(0 * y))  # the root's slope at 0 is infinite

    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)).initialize(seed=1)
    trainer = Trainer(model, loss, optim.SGD(model, learning_rate=0.1))
    with pytest.raises(
        FloatingPointError,
        match=r"a parameter became NaN .* step 1 .*: the loss is 0\.\d+, the gradient of 0\.weight is",
    ):
        trainer.fit(INSIDE, T, epochs=1, batch_size=6)


def test_an_update_that_overflows_is_found():
    model = nn.Linear(3, 1).initialize(seed=1)
    trainer = Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=1e38))
    with pytest.raises(
        FloatingPointError, match=r"a parameter became NaN or infinite in epoch 1, step [12] .*\. Model and"
    ):
        trainer.fit(INSIDE * 100, T, epochs=1, batch_size=6)
    assert all(numpy.isfinite(array).all() for array in everything(trainer).values())


def test_the_optimizers_state_is_looked_at_too():
    model = nn.Linear(3, 1).initialize(seed=1)
    trainer = Trainer(model, lambda y, t: 1e25 * nn.squared_error(y, t), optim.Adam(model, learning_rate=0.1))
    with pytest.raises(FloatingPointError, match=r"the optimizer's state became NaN or infinite in epoch 1, step 1 "):
        trainer.fit(INSIDE, T, epochs=1, batch_size=6)


def with_running_statistics(nonfinite):
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)).initialize(seed=0)
    return Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.05), nonfinite=nonfinite)


def test_buffers_are_looked_at_too():
    x = INSIDE.copy()
    x[BAD] = 1e30  # normalised it is no large number, but its square is infinite in the running variance
    trainer = with_running_statistics("raise")
    with pytest.raises(FloatingPointError, match=r"the buffer 0.running_var became NaN or infinite in epoch 1, step "):
        trainer.fit(x, T, epochs=1, batch_size=6)
    assert all(numpy.isfinite(array).all() for array in everything(trainer).values())
    trainer = with_running_statistics("skip")
    trainer.fit(x, T, epochs=2, batch_size=6)
    assert trainer.history["skipped"] == [1, 1]
    assert all(numpy.isfinite(array).all() for array in everything(trainer).values())


def test_a_buffer_that_is_meant_to_be_infinite_is_no_reason_to_end():
    class Masked(nn.Module):
        def __init__(self):
            self.inside = nn.Linear(3, 3)
            self.mask = nn.Buffer(numpy.asarray([0, 0, -numpy.inf], dtype="float32"))

        def forward(self, x):
            y = self.inside(x) + self.mask
            return xpnn.namespace_of(y).exp(y)[:, :1]

    model = Masked().initialize(seed=0)
    Trainer(model, nn.squared_error, optim.SGD(model, learning_rate=0.01)).fit(INSIDE, T, epochs=1, batch_size=6)


def test_what_a_step_of_ones_own_changes_is_looked_at_too():
    critic = nn.Linear(3, 1).initialize(seed=1)

    def step(model, optimizer, x, t):
        loss, gradients = xpnn.value_and_grad(lambda m: LOSS(m(x), t))(model)
        optimizer.step(gradients)
        critic.weight[...] = critic.weight * 1e30
        return loss

    model = network()
    trainer = trainer_of(model, step_function=step, also={"critic": critic}, compile=False)
    with pytest.raises(FloatingPointError, match=r"also\['critic'\] became NaN or infinite in epoch 1, step 2 "):
        trainer.fit(X, T, epochs=1, batch_size=6)
    assert numpy.isfinite(to_host(critic.weight)).all()


def test_an_own_step_names_the_layer():
    def step(model, optimizer, x, t):
        loss, gradients = xpnn.value_and_grad(lambda m: LOSS(m(x), t))(model)
        optimizer.step(gradients)
        return loss

    trainer = fragile_trainer(step_function=step)
    with pytest.raises(
        FloatingPointError, match=rf"the output of 1\.0 \(Root\) is not finite for row {BAD} of the data"
    ):
        trainer.fit(SPOILED, T, epochs=1, batch_size=3)


def test_what_does_not_come_again_is_raised_without_a_cause():
    times = []

    def loss(y, t):
        times.append(1)
        return LOSS(y, t) * (math.nan if len(times) == 4 else 1.0)

    trainer = trainer_of(loss=loss, compile=False)
    with pytest.raises(FloatingPointError, match=r"in epoch 1\. Model and optimizer are as after step 0"):
        trainer.fit(X, T, epochs=1, batch_size=6)


# Skip


def by_hand(row, epochs, batch_size, accumulate):
    """A training that leaves out the steps which see this row; and the mean loss of each epoch."""
    trainer, losses = fragile_trainer(accumulate=accumulate, compile=False), []
    trainer._layout = Layout((SPOILED, T))
    step = trainer._steps().training.step
    trainer.model.train()
    for epoch in range(epochs):
        batches = list(batch_indices(23, batch_size, seed=5, epoch=epoch))
        windows = [batches[n : n + accumulate] for n in range(0, len(batches), accumulate)]
        kept = [window for window in windows if row not in numpy.concatenate(window)]
        values = [step(*(part[batch] for batch in window for part in (SPOILED, T))) for window in kept]
        losses.append(numpy.average(values, weights=[sum(map(len, window)) for window in kept]))
    trainer.model.eval()
    return trainer, losses


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("report_every", [1, 3, 100])
@pytest.mark.parametrize("epochs", [3, 40], ids=["plain", "compiled"])
def test_skipping_is_training_without_these_steps(accumulate, report_every, epochs):
    found = fragile_trainer(nonfinite="skip", accumulate=accumulate)
    found.fit(SPOILED, T, epochs=epochs, batch_size=3, report_every=report_every)
    expected, losses = by_hand(BAD, epochs, 3, accumulate)
    for part in ("model", "optimizer"):
        state = {name: to_host(array) for name, array in getattr(expected, part).state_dict().items()}
        assert_equal({name: to_host(array) for name, array in getattr(found, part).state_dict().items()}, state)
    steps = 8 // accumulate
    assert found.history["skipped"] == [1] * epochs
    assert found.step == epochs * steps
    assert int(found.optimizer.steps) == epochs * (steps - 1)
    numpy.testing.assert_allclose(found.history["loss"], losses, rtol=1e-12)  # sums in another order
    assert bool(found._steps().training._compiled) == (epochs == 40)


@pytest.mark.parametrize("stop", [1, 4, 9, 12])
def test_a_training_that_skips_is_resumed_bit_for_bit(tmp_path, stop):
    options = {"nonfinite": "skip", "average": 0.9, "metrics": {"accuracy": binary_accuracy}, "training_metrics": True}
    whole, first, second = (fragile_trainer(**options) for _ in range(3))
    whole.fit(SPOILED, T, epochs=3, batch_size=3)
    first.fit(SPOILED, T, steps=stop, batch_size=3, checkpoint=tmp_path)
    second.fit(SPOILED, T, epochs=3, batch_size=3, checkpoint=tmp_path, resume=True)
    assert_equal(everything(second), everything(whole))
    for one, other in zip(second.history.rows, whole.history.rows, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("metric", [binary_accuracy, lambda y, t: float(numpy.mean(y))])
def test_metrics_that_saw_no_good_step_yet_are_nan(tmp_path, metric):
    reports = []

    class Reading(Callback):
        def report(self, trainer, row):
            reports.append(row)

    x = numpy.concatenate([SPOILED[BAD:], SPOILED[:BAD]])  # the first row is bad
    trainer = fragile_trainer(nonfinite="skip", metrics={"number": metric}, training_metrics=True)
    checkpoints = Checkpoints(tmp_path, every_steps=1)
    options = {"batch_size": 3, "report_every": 1, "shuffle": False, "checkpoint": checkpoints}
    history = trainer.fit(x, T, epochs=1, callbacks=[Reading()], **options)
    assert [math.isnan(row["number"]) for row in reports] == [True] + 6 * [False]
    assert math.isfinite(history["number"][0])


def test_skipped_steps_are_counted_in_the_log(caplog):
    trainer = fragile_trainer(nonfinite="skip")
    trainer.fit(SPOILED, T, epochs=1, batch_size=3)
    (line,) = [record.getMessage() for record in caplog.records if "undid" in record.getMessage()]
    assert line == "undid 1 of 8 steps that gave NaN or infinity"


@pytest.mark.parametrize("report_every", [1, 3, 100])
def test_where_every_step_of_an_epoch_is_bad_it_ends_with_an_error(report_every):
    trainer = fragile_trainer(nonfinite="skip")
    with pytest.raises(FloatingPointError, match=r"each of the last 8 steps gave NaN or infinity .* does not train"):
        trainer.fit(INSIDE - 5, T, epochs=3, batch_size=3, report_every=report_every)
    assert int(trainer.optimizer.steps) == 0


def test_a_hundred_bad_steps_in_a_row_end_it_too(tmp_path):
    x = numpy.concatenate([INSIDE, numpy.full((200, 3), -5, dtype="float32")])
    trainer = fragile_trainer(nonfinite="skip")
    checkpoints = Checkpoints(tmp_path, every_steps=10)  # a look more at these
    with pytest.raises(FloatingPointError, match="each of the last 100 steps"):
        trainer.fit(
            x,
            (x[:, :1] > 0).astype("float32"),
            epochs=3,
            batch_size=1,
            report_every=7,
            shuffle=False,
            checkpoint=checkpoints,
        )
    assert int(trainer.optimizer.steps) == 23


def test_a_single_bad_step_before_a_look_is_no_reason_to_end():
    """Where each step is looked at, one bad step is 'each since the last look'."""
    trainer = fragile_trainer(nonfinite="skip")
    trainer.fit(SPOILED, T, epochs=1, batch_size=3, report_every=1)
    assert trainer.history["skipped"] == [1]


# Ignore


def test_ignoring_goes_on():
    trainer = fragile_trainer(nonfinite="ignore")
    trainer.fit(SPOILED, T, epochs=2, batch_size=3)
    assert math.isnan(trainer.history["loss"][0])
    assert not numpy.isfinite(trainer.model[0].weight).any()


# Checkpoints


@pytest.mark.parametrize("policy", ["raise", "skip"])
def test_nothing_that_is_not_finite_gets_into_a_checkpoint(tmp_path, policy):
    trainer = fragile_trainer(nonfinite=policy, average=0.9)
    checkpoints = Checkpoints(tmp_path, keep=None, every_steps=1)
    try:
        trainer.fit(SPOILED, T, epochs=2, batch_size=3, report_every=4, checkpoint=checkpoints)
    except FloatingPointError:
        assert policy == "raise"
    paths = checkpoints.paths()
    assert len(paths) == (where_is(BAD, 3) if policy == "raise" else 16)
    for path in paths:
        arrays, _ = load(path)
        assert all(numpy.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"), path


def test_layers_are_as_they_were_after_the_search():
    trainer = fragile_trainer()
    with pytest.raises(FloatingPointError):
        trainer.fit(SPOILED, T, epochs=1, batch_size=3)
    assert all("forward" not in vars(module) for _, module in trainer.model.named_modules())
    assert not any(module.training for _, module in trainer.model.named_modules())


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match=re.escape("nonfinite 'raise', 'skip' or 'ignore', got 'warn'")):
        trainer_of(nonfinite="warn")


def test_validation_that_is_not_finite_is_reported_and_no_error():
    trainer = fragile_trainer()
    x = HELD_OUT[0].copy()
    x[:, 0] = -5
    trainer.fit(INSIDE, T, epochs=1, batch_size=3, validation=(x, HELD_OUT[1]))
    assert math.isnan(trainer.history["val_loss"][0])
