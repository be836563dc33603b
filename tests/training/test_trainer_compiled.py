"""Training with compiled steps: the numbers of plain ones to the last bit, whatever happens between the epochs."""

import threading

import numpy
import pytest

import xpnn
from xpnn import nn, optim
from xpnn.training import Trainer, load, save, steps

RNG = numpy.random.default_rng(29)
X = RNG.standard_normal((22, 3)).astype("float32")
T = RNG.standard_normal((22, 2)).astype("float32")
LABELS = RNG.integers(0, 2, 22)
WEIGHTS = RNG.uniform(0.1, 3.0, 22).astype("float32")
SCALE = numpy.asarray(1.0)  # what no plan can see: a number in an array that Python looks into


@pytest.fixture
def at_once(monkeypatch):
    """Compile from the first step and prediction on, so that few epochs tell."""
    for name in ("TRAINING_PAYS", "PREDICTION_PAYS", "MANY"):
        monkeypatch.setattr(steps, name, 0)


def network(p=0.5):
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(p), nn.Linear(4, 2)).initialize(seed=4)


def adam(model):
    return optim.Adam(model, learning_rate=0.05)


def trainer_of(compiled, *, make=network, loss=nn.squared_error, optimizer=adam, **options):
    model = make()
    return Trainer(model, loss, optimizer(model), **{"seed": 5, "compile": compiled, **options})


def state(trainer):
    arrays = {**trainer.model.state_dict(), **{f"of {k}": v for k, v in trainer.optimizer.state_dict().items()}}
    return {name: array.tobytes() for name, array in arrays.items()}


def both(epochs=6, t=T, batch_size=5, **options):
    """A trainer that compiled and one that did not, trained alike: with the same numbers."""
    fit = {"sample_weight": options.pop("sample_weight", None), "callbacks": options.pop("callbacks", ())}
    trainers = []
    for compiled in (True, False):
        SCALE[...] = 1.0
        trainer = trainer_of(compiled, **options)
        trainer.fit(X, t, epochs=epochs, batch_size=batch_size, validation=(X, t), **fit)
        trainers.append(trainer)
    compiled, plain = trainers
    assert state(compiled) == state(plain)
    assert compiled.history["loss"] == plain.history["loss"]
    assert compiled.history["val_loss"] == plain.history["val_loss"]
    return trainers


def plans(trainer):
    """The plans of the trainer's steps, by the rows of a batch."""
    found = trainer._steps().training._fast._plans
    made = [plan.program.values for plan in found.values() if plan is not None]
    return [next(value.shape[0] for value in values if value.kind == "argument") for values in made]


# The same numbers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_norm": 0.1},
        {"sample_weight": WEIGHTS},
        {"t": LABELS, "loss": nn.cross_entropy},
        {"t": LABELS, "loss": nn.CrossEntropy()},
        {"optimizer": lambda model: optim.SGD(model, learning_rate=optim.cosine_decay(0.1, steps=20), momentum=0.9)},
        {"optimizer": lambda model: optim.Adam(model, learning_rate=0.1, groups={"*.bias": {"learning_rate": 0.01}})},
        {"make": lambda: network().freeze("0.*")},
        {"make": lambda: network().to(dtype="float64")},
    ],
    ids=["plain", "clipped", "weighted", "labels", "a loss layer", "a schedule", "groups", "frozen", "float64"],
)
@pytest.mark.usefixtures("at_once")
def test_compiled_training_is_plain_training_to_the_last_bit(options):
    compiled, plain = both(**options)
    assert sorted(plans(compiled)) == [2, 5]  # the last batch of an epoch has two rows
    assert not plans(plain)


def test_batches_are_compiled_once_that_pays():
    trainer = trainer_of(True)
    trainer.fit(X, T, epochs=24, batch_size=5)  # 96 steps of 5 rows, 24 of 2
    assert not plans(trainer)
    trainer.fit(X, T, epochs=1, batch_size=5)
    assert plans(trainer) == [5]  # 100 were met


def test_batches_are_compiled_at_once_where_enough_lie_ahead():
    trainer = trainer_of(True)
    seen = []
    trainer.fit(X, T, epochs=25, batch_size=5, callbacks=[lambda trainer, row: seen.append(plans(trainer)) or True])
    assert seen == [[5]]
    compiled, _ = both(epochs=100)
    assert sorted(plans(compiled)) == [2, 5]


@pytest.mark.usefixtures("at_once")
def test_a_run_goes_on_from_files_and_in_the_middle_of_compiled_epochs(tmp_path):
    whole, first, second = trainer_of(False), trainer_of(True), trainer_of(True)
    whole.fit(X, T, epochs=7, batch_size=5)
    first.fit(X, T, epochs=4, batch_size=5)
    save(tmp_path / "model", first.model.state_dict())
    save(tmp_path / "optimizer", first.optimizer.state_dict(), {"epoch": first.epoch})
    second.fit(X, T, epochs=2, batch_size=5)  # has plans of its own when it is loaded
    second.model.load_state_dict(load(tmp_path / "model")[0])
    arrays, metadata = load(tmp_path / "optimizer")
    second.optimizer.load_state_dict(arrays)
    second.epoch = metadata["epoch"]
    second.fit(X, T, epochs=3, batch_size=5)
    assert state(second) == state(whole)


@pytest.mark.usefixtures("at_once")
def test_an_epoch_broken_off_in_a_replay_is_undone_and_goes_on():
    trainer, whole = trainer_of(True, loss=nn.cross_entropy), trainer_of(False, loss=nn.cross_entropy)
    trainer.fit(X, LABELS, epochs=2, batch_size=5)
    before, fast = state(trainer), trainer._steps().training._fast

    def interrupted(calls):
        calls = list(calls)
        found(calls[:2])
        raise KeyboardInterrupt

    found, fast.each = fast.each, interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, LABELS, epochs=1, batch_size=5)
    del fast.each
    assert state(trainer) == before
    trainer.fit(X, LABELS, epochs=2, batch_size=5)
    whole.fit(X, LABELS, epochs=4, batch_size=5)
    assert state(trainer) == state(whole)
    assert sorted(plans(trainer)) == [2, 5]


@pytest.mark.usefixtures("at_once")
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_numbers_that_overflow_in_a_replay_end_the_run_as_in_a_plain_one():
    trainers = [
        trainer_of(compiled, optimizer=lambda model: optim.SGD(model, learning_rate=1e3)) for compiled in (True, False)
    ]
    messages = []
    for trainer in trainers:
        with pytest.raises(FloatingPointError) as error:
            trainer.fit(X, T, epochs=60, batch_size=5)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert state(trainers[0]) == state(trainers[1])


# What changes between epochs


class Scaled(nn.Module):
    """Reads a number that compile cannot see, and one that it can."""

    def __init__(self):
        self.factor = 1.0

    def forward(self, x):
        return x * float(SCALE) * self.factor


def scaled_network():
    return nn.Sequential(nn.Linear(3, 4), Scaled(), nn.Linear(4, 2)).initialize(seed=4)


def set_rate(trainer, row):
    trainer.optimizer.options["learning_rate"] = 0.05 / row["epoch"]


def freeze_in_turn(trainer, row):
    trainer.model.freeze("0.*") if row["epoch"] % 2 else trainer.model.unfreeze("0.*")


def load_halves(trainer, row):
    arrays = trainer.model.state_dict()
    trainer.model.load_state_dict(arrays | {name: array / 2 for name, array in arrays.items() if "calls" not in name})


def replace_weight(trainer, row):
    trainer.model[0].weight = trainer.model[0].weight * 0.5


def set_dropout(trainer, row):
    trainer.model[2].p = 0.1 * row["epoch"]


def set_loss(trainer, row):
    trainer.loss = (lambda y, t, **w: 2 * nn.squared_error(y, t, **w)) if row["epoch"] % 2 else nn.squared_error


def set_bound(trainer, row):
    trainer.max_norm = 0.1 * row["epoch"]


def reset_optimizer(trainer, row):
    trainer.optimizer.load_state_dict({name: 0 * array for name, array in trainer.optimizer.state_dict().items()})


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "change",
    [set_rate, freeze_in_turn, load_halves, replace_weight, set_dropout, set_loss, set_bound, reset_optimizer],
)
def test_what_a_callback_changes_counts_from_the_next_epoch_on(change):
    changed, _ = both(callbacks=[change])
    unchanged, _ = both()
    assert changed.history["loss"][0] == unchanged.history["loss"][0]
    assert state(changed) != state(unchanged)


@pytest.mark.usefixtures("at_once")
def test_what_a_callback_changes_in_an_attribute_of_a_layer_counts():
    both(make=scaled_network, callbacks=[lambda trainer, row: setattr(trainer.model[1], "factor", 1 / row["epoch"])])


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("batch_size", "message"),
    [
        (11, "changed twice between epochs or calls"),
        (5, "multiply .at test_trainer_compiled.py:[0-9]*., was given 0.7 "),
    ],
    ids=["by a check", "by the two recordings of a last smaller batch"],
)
def test_a_change_that_nobody_can_see_is_found_and_named_once(batch_size, message):
    def anneal(trainer, row):
        SCALE[...] *= 0.7

    with pytest.warns(xpnn.CompileWarning, match=message) as warned:
        both(make=scaled_network, epochs=9, callbacks=[anneal], batch_size=batch_size)
    assert len(warned) == 1
    assert warned[0].filename == __file__


@pytest.mark.usefixtures("at_once")
def test_a_change_that_nobody_can_see_between_two_fits_is_found():
    trainers = [trainer_of(compiled, make=scaled_network) for compiled in (True, False)]
    for trainer in trainers:
        SCALE[...] = 1.0
        trainer.fit(X, T, epochs=4, batch_size=5)
        SCALE[...] = 0.5
        trainer.fit(X, T, epochs=4, batch_size=5)
    assert state(trainers[0]) == state(trainers[1])


def test_plans_that_are_always_thrown_away_are_made_ever_less_often(monkeypatch):
    monkeypatch.setattr(steps, "TRAINING_PAYS", 4)
    trainer = trainer_of(True)
    trainer.fit(X, T, epochs=60, batch_size=5, callbacks=[set_rate])
    assert trainer._steps().training._changes == 5  # after 8, 16, 32, 64 and 128 more steps


# What cannot be compiled


def branching(y, t):
    xp = xpnn.namespace_of(y)
    loss = nn.squared_error(y, t)
    return loss if float(xp.max(xp.abs(t))) > 0.1 else 2 * loss


class Branching(nn.Module):
    def forward(self, x):
        return -x if bool(x[0, 0] > 0) else x


class Counting:
    """A loss that does something else from its twelfth call on."""

    def __init__(self):
        self.calls = 0

    def __call__(self, y, t):
        self.calls += 1
        return nn.squared_error(y, t) * (1.0 if self.calls < 12 else 0.5)


@pytest.mark.usefixtures("at_once")
def test_a_branch_on_numbers_runs_plainly_with_one_warning():
    def make():
        return nn.Sequential(nn.Linear(3, 4), Branching(), nn.Linear(4, 2)).initialize(seed=4)

    for options in ({"make": make}, {"loss": branching}):
        with pytest.warns(xpnn.CompileWarning, match=r"without being compiled.*at test_trainer_compiled.py") as warned:
            both(**options)
        assert len(warned) == 1
        assert warned[0].filename == __file__


@pytest.mark.usefixtures("at_once")
@pytest.mark.filterwarnings("ignore::xpnn.CompileWarning")
def test_a_loss_that_counts_is_called_at_each_step():
    losses = [Counting(), Counting()]
    trainers = [trainer_of(compiled, loss=loss) for compiled, loss in zip((True, False), losses, strict=True)]
    for trainer in trainers:
        trainer.fit(X, T, epochs=6, batch_size=5)
    assert state(trainers[0]) == state(trainers[1])
    assert losses[0].calls == losses[1].calls


@pytest.mark.filterwarnings("ignore::xpnn.CompileWarning")
def test_a_list_that_grows_goes_on_growing_however_long():
    calls = []

    def loss(y, t):
        calls.append(1)
        return nn.squared_error(y, t)

    trainer_of(True, loss=loss).fit(X, T, epochs=100, batch_size=5)
    trainer_of(True, loss=loss).fit(X, T, epochs=100, batch_size=5)
    assert len(calls) == 2 * (1 + 500)  # with the trial at the door


# Predictions


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("batch_size", [1, 2, 5, 22, 100])
def test_predictions_are_those_of_the_plain_model_to_the_last_bit(batch_size):
    compiled, plain = trainer_of(True), trainer_of(False)
    for _ in range(4):
        y = compiled.predict(X, batch_size=batch_size)
        assert y.tobytes() == plain.predict(X, batch_size=batch_size).tobytes()
    assert y.base is None or y.base.base is None  # nobody's buffer
    y[...] = 0
    assert compiled.predict(X, batch_size=batch_size).any()
    assert compiled.evaluate(X, T) == plain.evaluate(X, T)


@pytest.mark.usefixtures("at_once")
def test_predictions_see_what_was_changed_since():
    trainer = trainer_of(True, make=scaled_network)
    SCALE[...] = 1.0
    for _ in range(3):
        before = trainer.predict(X, batch_size=2)
    trainer.model[2].bias[...] = 0  # initialised to something else
    trainer.model[1].factor = 0.0
    after = trainer.predict(X, batch_size=2)
    assert not after.any()
    assert before.any()
    trainer.model[1].factor, SCALE[...] = 1.0, 0.0
    assert not trainer.predict(X, batch_size=2).any()


def test_many_lengths_are_predicted_without_a_warning():
    trainer = trainer_of(True)
    for n in range(600):
        trainer.predict(X[: 1 + n % 20])
        trainer.predict(X, batch_size=1 + n % 20)


def test_long_predictions_are_compiled():
    trainer = trainer_of(True)
    x = numpy.tile(X, (50, 1))
    y = trainer.predict(x, batch_size=2)  # 550 batches
    assert trainer._steps()._prediction._fast.plan() is not None
    assert y.tobytes() == trainer_of(False).predict(x, batch_size=2).tobytes()


# Threads


@pytest.mark.usefixtures("at_once")
def test_threads_that_predict_while_plans_are_made_see_plain_arrays():
    trainer, plain = trainer_of(True), trainer_of(False)
    trainer.model.eval()  # so that no thread sets it back to training
    expected = {n: plain.predict(X, batch_size=n).tobytes() for n in range(1, 9)}
    wrong = []

    def work(start):
        for n in range(40):
            size = 1 + (start + n) % 8
            y = trainer.predict(X, batch_size=size)
            if type(y) is not numpy.ndarray or y.tobytes() != expected[size]:
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.usefixtures("at_once")
@pytest.mark.filterwarnings("ignore::xpnn.CompileWarning")
def test_a_loss_that_asks_its_trainer_for_predictions_does_not_wait_for_ever():
    def loss(y, t):
        trainer.predict(X[:2])
        return nn.squared_error(y, t)

    trainer = trainer_of(True, loss=loss, make=lambda: network(0.0))
    plain = trainer_of(False, make=lambda: network(0.0))
    trainer.fit(X, T, epochs=3, batch_size=11)
    plain.fit(X, T, epochs=3, batch_size=11)
    assert state(trainer) == state(plain)
