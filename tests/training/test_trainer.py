"""The training loop: equal to one written by hand, on every library, in one run or several."""

import copy
import pickle
from contextlib import ExitStack

import array_api_strict
import numpy
import pytest
from elsewhere import EVERYWHERE, device_named, on_gpu

import xpnn
from xpnn import namespace_of, nn, optim, value_and_grad
from xpnn.arrays.devices import device_of
from xpnn.arrays.native import to_host
from xpnn.training import Trainer, batch_indices, load, save

CPU = xpnn.device("cpu")
STRICT = device_named("strict")
RNG = numpy.random.default_rng(17)
X = RNG.standard_normal((11, 3)).astype("float32")
T = RNG.standard_normal((11, 2)).astype("float32")
WEIGHTS = RNG.uniform(0.1, 3.0, 11).astype("float32")
OPTIMIZERS = {
    "SGD": lambda model: optim.SGD(model, learning_rate=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda model: optim.Adam(model, learning_rate=0.05),
    "a schedule": lambda model: optim.SGD(model, learning_rate=optim.cosine_decay(0.1, steps=12)),
}


def network(place=CPU, dtype="float32"):
    layers = nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2)
    return nn.Sequential(*layers).initialize(seed=4).to(place, dtype=dtype)


def trainer_of(model, loss=nn.squared_error, make=OPTIMIZERS["Adam"], **options):
    return Trainer(model, loss, make(model), **{"seed": 5, **options})


def state(trainer):
    """All that training changes, in host arrays."""
    return {
        **{f"model/{name}": to_host(array) for name, array in trainer.model.state_dict().items()},
        **{f"optimizer/{name}": to_host(array) for name, array in trainer.optimizer.state_dict().items()},
        "epoch": numpy.asarray(trainer.epoch),
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        numpy.testing.assert_array_equal(found[name], array, err_msg=name)


# The loop


@EVERYWHERE
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_fit_is_the_loop_written_by_hand_bit_for_bit(place, name, dtype, weighted):
    trainer = trainer_of(network(place, dtype), make=OPTIMIZERS[name])
    history = trainer.fit(X, T, epochs=3, batch_size=4, sample_weight=WEIGHTS if weighted else None)

    model = network(place, dtype)
    optimizer = OPTIMIZERS[name](model)
    x, t, w = (place.asarray(a, dtype=dtype) for a in (X, T, WEIGHTS))
    step = value_and_grad(lambda m, x, t, w: nn.squared_error(m(x), t, sample_weight=w))
    means = []
    for epoch in range(3):
        model.train()
        values, shares = [], []
        for rows in batch_indices(11, 4, seed=5, epoch=epoch):
            index = place.asarray(rows)
            batch = [place.xp.take(a, index, axis=0) for a in (x, t, w)]
            value, gradients = step(model, *batch[:2], batch[2] if weighted else None)
            optimizer.step(gradients)
            values.append(float(value))
            shares.append(float(place.xp.sum(batch[2])) if weighted else len(rows))
        means.append(numpy.average(values, weights=shares))

    by_hand = Trainer(model, nn.squared_error, optimizer)
    by_hand.epoch = 3
    assert_equal(state(trainer), state(by_hand))
    # the mean is summed in the dtype of the model, here in float64
    numpy.testing.assert_allclose(history["loss"], means, rtol=4 * numpy.finfo(dtype).eps)


def test_gradients_are_scaled_to_the_norm_given():
    trainer = trainer_of(network(), max_norm=0.01)
    trainer.fit(X, T, epochs=2, batch_size=4)
    model = network()
    optimizer = OPTIMIZERS["Adam"](model)
    step = value_and_grad(lambda m, x, t: nn.squared_error(m(x), t))
    for epoch in range(2):
        for rows in batch_indices(11, 4, seed=5, epoch=epoch):
            optimizer.step(optim.clip_by_global_norm(step(model, X[rows], T[rows])[1], 0.01)[0])
    assert_equal(trainer.model.state_dict(), model.state_dict())


def test_the_same_seed_trains_alike_on_every_library(elsewhere):
    trainers = [trainer_of(network(place, "float64")) for place in (CPU, elsewhere)]
    histories = [trainer.fit(X, T, epochs=4, batch_size=3, validation=(X, T)) for trainer in trainers]
    for name in ("loss", "val_loss"):
        # the same operations; array_api_strict computes by NumPy too, a GPU sums in other orders
        rtol = 1e-12 if on_gpu(elsewhere) else 1e-13
        numpy.testing.assert_allclose(histories[0][name], histories[1][name], rtol=rtol)
    ours, others = map(state, trainers)
    for name in ours:
        numpy.testing.assert_allclose(others[name], ours[name], rtol=1e-11, atol=1e-13, err_msg=name)


def test_another_seed_takes_another_order():
    first, second = (trainer_of(network(), seed=seed) for seed in (1, 2))
    assert first.fit(X, T, epochs=1, batch_size=3)["loss"] != second.fit(X, T, epochs=1, batch_size=3)["loss"]


def test_two_runs_are_one_run_cut_in_two():
    whole, cut = trainer_of(network()), trainer_of(network())
    whole.fit(X, T, epochs=5, batch_size=4)
    cut.fit(X, T, epochs=2, batch_size=4)
    cut.fit(X, T, epochs=3, batch_size=4)
    assert_equal(state(cut), state(whole))
    assert cut.history["epoch"] == [1, 2, 3, 4, 5]
    assert cut.history["loss"] == whole.history["loss"]


def test_a_run_goes_on_from_files_bit_for_bit(tmp_path):
    whole, first, second = (trainer_of(network()) for _ in range(3))
    whole.fit(X, T, epochs=5, batch_size=4)
    first.fit(X, T, epochs=2, batch_size=4)
    save(tmp_path / "model", first.model.state_dict())
    save(tmp_path / "optimizer", first.optimizer.state_dict(), {"epoch": first.epoch})
    second.model.load_state_dict(load(tmp_path / "model")[0])
    arrays, metadata = load(tmp_path / "optimizer")
    second.optimizer.load_state_dict(arrays)
    second.epoch = metadata["epoch"]
    second.fit(X, T, epochs=3, batch_size=4)
    assert_equal(state(second), state(whole))


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 100])
@pytest.mark.parametrize("weights", [None, WEIGHTS[:7], numpy.asarray([0, 0, 0, 0, 0, 1, 2])])
def test_the_loss_of_unequal_batches_is_that_of_the_whole(batch_size, weights):
    model = network(dtype="float64").eval()
    y = model(X[:7].astype("float64"))
    losses = numpy.mean((y - T[:7]) ** 2, axis=1)
    model[2].p = 0.0  # no dropout
    trainer = trainer_of(model, make=lambda model: optim.SGD(model, learning_rate=0.0))
    history = trainer.fit(X[:7], T[:7], epochs=1, batch_size=batch_size, sample_weight=weights)
    # sums of seven numbers in another order
    numpy.testing.assert_allclose(history["loss"], [numpy.average(losses, weights=weights)], rtol=1e-14)


def test_rows_of_weight_zero_count_for_nothing():
    keep = numpy.arange(11) % 3 > 0
    x = numpy.where(keep[:, None], X, 1e3).astype("float32")
    models = [nn.Linear(3, 2, dtype="float64").initialize(seed=1) for _ in range(2)]
    with_zeros, without = (trainer_of(model) for model in models)
    history = with_zeros.fit(x, T, epochs=3, batch_size=11, sample_weight=keep)
    expected = without.fit(X[keep], T[keep], epochs=3, batch_size=11)
    numpy.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-13)
    # the order of the sums differs
    numpy.testing.assert_allclose(models[0].weight, models[1].weight, rtol=1e-11)


def test_a_batch_without_weight_changes_nothing_and_is_no_error():
    model = nn.Linear(3, 2).initialize(seed=1)
    trainer = trainer_of(model, make=lambda model: optim.SGD(model, learning_rate=0.1))
    weights = numpy.asarray([1.0] + [0.0] * 10)
    history = trainer.fit(X, T, epochs=2, batch_size=1, sample_weight=weights)
    assert numpy.isfinite(history["loss"]).all()
    once = nn.Linear(3, 2).initialize(seed=1)
    optimizer = optim.SGD(once, learning_rate=0.1)
    for _ in range(2):
        optimizer.step(value_and_grad(lambda m: nn.squared_error(m(X[:1]), T[:1]))(once)[1])
    numpy.testing.assert_allclose(model.weight, once.weight, rtol=1e-6)


def test_the_trial_at_the_door_does_not_stumble_over_weights_of_zero():
    def loss(y, t, *, sample_weight):
        losses = namespace_of(y).mean((y - t) ** 2, axis=1)
        return sum(losses * sample_weight) / sum(sample_weight)  # 0 / 0 without weight

    weights = numpy.asarray([0.0] * 5 + [1.0] * 6)
    history = trainer_of(network(), loss).fit(X, T, epochs=1, batch_size=11, sample_weight=weights)
    assert numpy.isfinite(history["loss"]).all()


def test_frozen_parameters_stay():
    model = network().freeze("0.*")
    before = model[0].weight.copy()
    trainer_of(model).fit(X, T, epochs=2)
    numpy.testing.assert_array_equal(model[0].weight, before)


def test_data_stay_as_they_are_and_may_be_read_only():
    x, t, w = X.copy(), T.copy(), WEIGHTS.copy()
    for array in (x, t, w):
        array.flags.writeable = False
    trainer = trainer_of(network())
    trainer.fit(x, t, epochs=1, sample_weight=w, validation=(x, t, w))
    trainer.predict(x)


def test_data_of_any_library_and_precision_are_converted_at_the_door(elsewhere):
    expected = trainer_of(network()).fit(X, T, epochs=2, batch_size=4)["loss"]
    for x, t in ((X.astype("float64"), T), (X, elsewhere.asarray(T)), (X[:, ::-1].copy()[:, ::-1], T.astype(">f4"))):
        assert trainer_of(network()).fit(x, t, epochs=2, batch_size=4)["loss"] == expected


def test_a_model_of_double_precision_computes_in_it():
    model = network(dtype="float64")
    trainer = trainer_of(model)
    trainer.fit(X, T, epochs=1)
    assert model[0].weight.dtype == "float64"
    assert trainer.predict(X).dtype == "float64"


def test_a_model_moves_to_the_device_given(elsewhere):
    model = network()
    trainer = trainer_of(model, device=elsewhere)
    trainer.fit(X, T, epochs=3, batch_size=4)
    assert device_of(model[0].weight) == elsewhere
    at_home = trainer_of(network(elsewhere))
    at_home.fit(X, T, epochs=3, batch_size=4)
    assert_equal(state(trainer), state(at_home))
    assert elsewhere.name in trainer.history.device


def test_the_device_is_looked_at_once_an_epoch_however_many_batches(monkeypatch):
    reads = []
    kind = type(array_api_strict.zeros(()))

    def counted(name, read):
        def counting(array, *args, **options):
            reads.append(name)
            return read(array, *args, **options)

        monkeypatch.setattr(kind, name, counting)

    for name in ("__float__", "__int__", "__bool__", "__index__", "__dlpack__", "to_device"):
        counted(name, getattr(kind, name))

    def looks(epochs, batch_size):
        trainer = trainer_of(network(STRICT), max_norm=1.0)
        reads.clear()
        trainer.fit(X, T, epochs=epochs, batch_size=batch_size, sample_weight=WEIGHTS)
        return len(reads)

    assert looks(1, 1) == looks(1, 11)
    in_one_epoch = looks(2, 3) - looks(1, 3)
    assert in_one_epoch <= 3  # the loss, its weight, and whether all is finite


def test_the_steps_read_nothing():
    guard = ExitStack()
    model = network(STRICT)

    def loss(y, t, sample_weight):
        if model.training and not entered:
            entered.append(guard.enter_context(xpnn.testing.no_device_reads()))
        return nn.squared_error(y, t, sample_weight=sample_weight)

    class Guarded(optim.Adam):
        def step(self, gradients):
            super().step(gradients)
            done.append(1)
            if len(done) == 4:  # the last of the epoch
                guard.close()

    entered, done = [], []
    trainer = Trainer(model, loss, Guarded(model), max_norm=1.0)
    with guard:
        trainer.fit(X, T, epochs=1, batch_size=3, sample_weight=WEIGHTS)
    assert (len(entered), len(done)) == (1, 4)


@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_trainer_goes_on_in_a_copy(again):
    def fresh():
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)).initialize(seed=0)
        return Trainer(model, nn.squared_error, optim.Adam(model), average=0.9)

    x = numpy.linspace(-1, 1, 120).reshape(40, 3)
    trainer, other = fresh(), fresh()
    for epochs in (2, 3):
        trainer.fit(x, x[:, :1], epochs=epochs, batch_size=8)
        other = again(other)
        other.fit(x, x[:, :1], epochs=epochs, batch_size=8)
        other = again(other)
    assert [row["loss"] for row in other.history.rows] == [row["loss"] for row in trainer.history.rows]
    numpy.testing.assert_array_equal(again(other).predict(x), trainer.predict(x))
