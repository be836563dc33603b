"""The state of a training: it goes on from there bit for bit, on another device, too; what does not fit is refused."""

import copy

import numpy
import pytest
from elsewhere import device_named
from trained import HELD_OUT, LOSS, T, X, assert_equal, assert_same_training, everything, network, rows, trainer_of

import xpnn
from xpnn import nn, optim
from xpnn.training import Checkpoints, Loader, Trainer, load, save
from xpnn.training.callbacks import Callback
from xpnn.training.metrics import BinaryAccuracy, ConfusionMatrix, binary_accuracy, roc_auc

METRICS = {"accuracy": binary_accuracy, "auc": roc_auc}


def rich(**options):
    """A trainer that uses all there is: metrics, averages, accumulation, a schedule, clipping, dropout, batch norm."""
    given = {"metrics": METRICS, "training_metrics": True, "average": 0.9, "accumulate": 2, "max_norm": 0.5}
    model = options.pop("model", None) or network()
    rate = optim.cosine_decay(0.05, steps=40)
    return Trainer(model, LOSS, optim.Adam(model, learning_rate=rate), seed=5, **(given | options))


def on_disk(trainer, folder):
    save(folder / "state.safetensors", *trainer.state_dict())
    return load(folder / "state.safetensors")


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 5, 7, 8, 9])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("report_every", [1, 3])
def test_a_training_goes_on_bit_for_bit_from_any_step(tmp_path, stop, weighted, report_every):
    options = {
        "batch_size": 3, "report_every": report_every, "validation": HELD_OUT,
        "sample_weight": numpy.linspace(0.1, 2, 23) if weighted else None,
    }  # fmt: skip
    whole, first, second = rich(), rich(), rich()
    whole.fit(X, T, epochs=3, **options)  # 4 steps an epoch
    first.fit(X, T, steps=stop, **options)
    second.load_state_dict(*on_disk(first, tmp_path))
    assert_equal(everything(second), everything(first))
    assert second.history.rows == first.history.rows
    second.fit(X, T, epochs=3 - second.epoch, **options)
    assert_same_training(second, whole)


@pytest.mark.parametrize("stop", [1, 5])
def test_a_loader_goes_on_too(tmp_path, stop):
    def loader():
        return Loader(X, T, batch_size=3, seed=9)

    whole, first, second = rich(), rich(), rich()
    whole.fit(loader(), epochs=3)
    first.fit(loader(), steps=stop)
    second.load_state_dict(*on_disk(first, tmp_path))
    second.fit(loader(), epochs=3 - second.epoch)
    assert_same_training(second, whole)


def test_a_compiled_training_goes_on_as_a_plain_one():
    whole, first, second = (rich(compile=compiled) for compiled in (False, True, True))
    whole.fit(X, T, epochs=60, batch_size=3)
    first.fit(X, T, steps=21, batch_size=3)
    second.load_state_dict(*first.state_dict())
    second.fit(X, T, steps=219, batch_size=3)
    assert bool(second._steps().training._compiled)
    assert_same_training(second, whole)


def test_the_state_holds_copies():
    trainer = rich()
    trainer.fit(X, T, steps=3, batch_size=3)
    arrays, metadata = trainer.state_dict()
    kept = {name: numpy.array(array) for name, array in arrays.items()}, copy.deepcopy(metadata)
    trainer.fit(X, T, steps=3, batch_size=3)
    assert_equal({name: numpy.asarray(array) for name, array in arrays.items()}, kept[0])
    assert metadata == kept[1]


def test_it_moves_to_a_stand_in_for_a_gpu_and_back(tmp_path):
    strict = device_named("strict")
    whole, there = rich(), rich(device=strict)
    whole.fit(X, T, steps=3, batch_size=3)
    there.load_state_dict(*on_disk(whole, tmp_path))
    there.fit(X, T, steps=3, batch_size=3)
    assert {str(array.device) for array in there.state_dict()[0].values()} == {str(strict.array_device)}
    back = rich()
    back.load_state_dict(*on_disk(there, tmp_path))
    for trainer in (whole, back):
        trainer.fit(X, T, steps=3 if trainer is whole else 0, batch_size=3)
    assert_same_training(back, whole)  # array_api_strict computes by NumPy


def refused(trainer, arrays, metadata, message, *, error=ValueError):
    """That this state is refused and nothing is changed."""
    before, history = everything(trainer), rows(trainer)
    with pytest.raises(error, match=message):
        trainer.load_state_dict(arrays, metadata)
    assert_equal(everything(trainer), before)
    assert rows(trainer) == history


@pytest.fixture
def state():
    trainer = rich()
    trainer.fit(X, T, steps=3, batch_size=3)
    return trainer.state_dict()


def other_model():
    return nn.Sequential(nn.Linear(3, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Dropout(0.3), nn.Linear(7, 1)).initialize(1)


def by_sgd():
    model = network()
    return Trainer(model, LOSS, optim.SGD(model, learning_rate=0.1), seed=5, average=0.9)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: trainer_of(seed=6, average=0.9), "a training with seed 5, this trainer has 6"),
        (lambda: rich(model=other_model()), "shape|expected"),
        (lambda: trainer_of(nn.Linear(3, 1), average=0.9), "0.weight|expected"),
        (by_sgd, "a training by Adam, this trainer has SGD"),
        (lambda: trainer_of(), r"has arrays average\.\*, which this trainer has not"),
        (
            lambda: trainer_of(
                step_function=lambda *a: None, average=0.9, also={"critic": nn.Linear(3, 1).initialize(seed=0)}
            ),
            r"no arrays also.critic\.\*, which this trainer has",
        ),
    ],
)  # fmt: skip
def test_the_state_of_another_training_is_refused(state, other, message):
    trainer = other()
    if trainer.step_function is None:
        trainer.fit(X, T, epochs=1)
    refused(trainer, *state, message)


def test_the_state_of_a_trainer_without_averages_is_refused():
    refused(rich(), *trainer_of().state_dict(), r"no arrays average\.\*")


@pytest.mark.parametrize(
    "missing", ["position", "seed", "history", "callbacks", "begun", "data", "optimizer", "accumulate"]
)
def test_metadata_without_its_parts_are_refused(state, missing):
    arrays, metadata = state
    refused(rich(), arrays, {k: v for k, v in metadata.items() if k != missing}, f"got one without {missing}")


POSITION = {"epoch": 0, "batch": 0, "step": 0, "seconds_in_epoch": 0.0, "skipped_in_epoch": 0}


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("position", {}, r"expected a state with position epoch, got \{\}"),
        ("position", POSITION | {"epoch": "3"}, "position epoch is a whole number of 0 or more, got '3'"),
        ("position", POSITION | {"epoch": -3}, "position epoch is a whole number of 0 or more, got -3"),
        ("position", POSITION | {"step": 1.0}, "position step is a whole number of 0 or more, got 1.0"),
        ("position", POSITION | {"batch": True}, "position batch is a whole number of 0 or more, got True"),
        ("position", POSITION | {"seconds_in_epoch": -1.0}, "seconds_in_epoch is a number of 0 or more, got -1.0"),
        ("position", 3, "expected a state with position epoch, got 3"),
        ("begun", None, "expected a state with begun epoch, got None"),
        ("begun", {"epoch": 0, "step": None}, "begun step is a whole number of 0 or more, got None"),
        ("history", 5, "history is a list of rows, got 5"),
        ("history", [1], r"history is a list of rows, got \[1\]"),
        ("history", [{"loss": {"$number": "x"}}], "expected a value as a checkpoint writes it"),
        ("callbacks", 5, "callbacks is states by number and class, got 5"),
        ("callbacks", {"EarlyStopping": {}}, "callbacks is states by number and class"),
        ("callbacks", {"0.EarlyStopping": 3}, "callbacks is states by number and class"),
        ("data", [], r"data is a description, got \[\]"),
        ("optimizer", 3, "optimizer is a name, got 3"),
        ("accumulate", 0, "accumulate is a whole number of 1 or more, got 0"),
    ],
)
@pytest.mark.parametrize("way", ["load_state_dict", "resume"])
def test_metadata_of_another_kind_are_refused_with_nothing_changed(state, tmp_path, way, part, value, message):
    arrays, metadata = state
    trainer = rich()
    if way == "load_state_dict":
        return refused(trainer, arrays, metadata | {part: value}, message)
    before = everything(trainer)
    Checkpoints(tmp_path).save(arrays, metadata | {part: value}, epoch=0, step=3)
    with pytest.raises(ValueError, match=message) as caught:
        trainer.fit(X, T, epochs=2, batch_size=3, checkpoint=tmp_path, resume=True)
    assert caught.value.__notes__ == [f"It is the state in {tmp_path / 'checkpoint-0000000003.safetensors'}"]
    assert_equal(everything(trainer), before)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"pending.outputs.a.b": 1}, "got one named 'pending.outputs.a.b'"),
        ({"pending.other": 1}, "got one named 'pending.other'"),
        ({"callbacks.EarlyStopping": 1}, "got one named 'callbacks.EarlyStopping'"),
        ({"running.total": 2}, r"running.total to be one number, got shape \(2,\)"),
        ({"pending.values": 7}, r"expected pending.values and pending.shares of one shape, or neither"),
    ],
)
def test_arrays_of_other_names_are_refused_with_nothing_changed(state, names, message):
    arrays, metadata = state
    refused(rich(), arrays | {name: numpy.zeros(size) for name, size in names.items()}, metadata, message)


def test_a_state_without_an_array_of_the_optimizer_is_refused_with_nothing_changed(state):
    arrays, metadata = state
    name = next(name for name in arrays if name.startswith("optimizer.") and "weight" in name)
    refused(
        rich(), {k: v for k, v in arrays.items() if k != name}, metadata, "state|expected", error=(ValueError, KeyError)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 4}, r"in the middle of an epoch of other data: batch_size 3 \(now 4\)"),
        ({"shuffle": False}, r"shuffle True \(now False\)"),
        ({"sample_weight": numpy.ones(23)}, r"arrays 2 \(now 3\)"),
    ],
)
def test_other_data_are_refused_within_an_epoch(state, options, message):
    trainer = rich()
    trainer.load_state_dict(*state)
    before = everything(trainer)
    with pytest.raises(ValueError, match=message):
        trainer.fit(X, T, **({"epochs": 2, "batch_size": 3} | options))
    assert_equal(everything(trainer), before)


def test_other_rows_are_refused_within_an_epoch(state):
    trainer = rich()
    trainer.load_state_dict(*state)
    with pytest.raises(ValueError, match=r"rows 23 \(now 20\)"):
        trainer.fit(X[:20], T[:20], epochs=2, batch_size=3)


def test_another_accumulation_is_refused_within_an_epoch(state):
    trainer = rich(accumulate=3)
    trainer.load_state_dict(*state)
    with pytest.raises(ValueError, match=r"accumulate 2 \(now 3\)"):
        trainer.fit(X, T, epochs=2, batch_size=3)


@pytest.mark.parametrize(
    ("metrics", "training", "message"),
    [
        ({"accuracy": binary_accuracy}, True, "metrics .*'auc'.* .now .*'accuracy': 'BinaryAccuracy"),
        (METRICS, False, r"now \{\}"),
        ({"accuracy": BinaryAccuracy(threshold=0.3), "auc": roc_auc}, True, r"now .*threshold=0.3"),
        ({"auc": lambda y, t, **weights: 0.0, "accuracy": binary_accuracy}, True, "now .*<lambda>"),
    ],
)
@pytest.mark.parametrize("way", ["load_state_dict", "resume", "the same trainer"])
def test_other_training_metrics_within_an_epoch_are_refused_or_start_it_anew(tmp_path, way, metrics, training, message):
    trainer, other = rich(), rich(metrics=metrics, training_metrics=training)
    trainer.fit(X, T, steps=1, batch_size=3, checkpoint=tmp_path)
    if way == "the same trainer":
        trainer.metrics, trainer.training_metrics = metrics, training
        trainer.fit(X, T, epochs=1, batch_size=3)
        assert trainer.step == 5
        return
    if way == "load_state_dict":
        other.load_state_dict(*trainer.state_dict())
    options = {"checkpoint": tmp_path, "resume": True} if way == "resume" else {}
    before = everything(other)
    with pytest.raises(ValueError, match=message):
        other.fit(X, T, epochs=2, batch_size=3, **options)
    assert_equal(everything(other), before)


def test_other_training_metrics_are_welcome_between_epochs(tmp_path):
    rich().fit(X, T, epochs=1, checkpoint=tmp_path)
    trainer = rich(metrics={"accuracy": binary_accuracy})
    trainer.fit(X, T, epochs=2, checkpoint=tmp_path, resume=True)
    assert trainer.epoch == 2


class Keeping(Callback):
    """Keeps whatever it was given."""

    def __init__(self, state):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


def test_lists_words_and_arrays_of_callbacks_come_back(tmp_path):
    state = {"seen": [1, 2], "inside": {"a": [numpy.arange(3)]}, "word": "nan", "number": numpy.nan, "w": numpy.ones(2)}
    trainer_of().fit(X, T, epochs=1, checkpoint=tmp_path, callbacks=[Keeping(state)])
    found = Keeping({})
    trainer_of().fit(X, T, epochs=1, checkpoint=tmp_path, callbacks=[found], resume=True)
    assert {name: found.state[name] for name in ("seen", "word")} == {"seen": [1, 2], "word": "nan"}
    numpy.testing.assert_array_equal(found.state["inside"]["a"][0], numpy.arange(3))
    numpy.testing.assert_array_equal(found.state["w"], numpy.ones(2))
    assert numpy.isnan(found.state["number"])


def test_what_no_file_can_hold_is_an_error_that_names_the_callback(tmp_path):
    with pytest.raises(TypeError, match="got <object") as caught:
        trainer_of().fit(X, T, epochs=1, checkpoint=tmp_path, callbacks=[Keeping({"a": object()})])
    assert caught.value.__notes__[0] == "It is in what state_dict of the callback Keeping gives"


def test_metrics_that_are_arrays_and_lists_in_rows_come_back(tmp_path):
    def listing(trainer, row):
        row["per_class"] = [1.0, numpy.nan]

    def go(epochs):
        trainer = trainer_of(nn.Linear(3, 2), loss=nn.cross_entropy, metrics={"counts": ConfusionMatrix()})
        labels = T[:, 0].astype("int64")
        history = trainer.fit(
            X, labels, epochs=epochs, validation=(X, labels), checkpoint=tmp_path, resume=True, callbacks=[listing]
        )
        return history.rows

    first, again = go(2), go(2)
    for one, other in zip(first, again, strict=True):
        numpy.testing.assert_equal(other, one)
        assert other["val_counts"].dtype == one["val_counts"].dtype


def test_other_data_are_welcome_between_epochs():
    first, second = rich(), rich()
    first.fit(X, T, epochs=1, batch_size=3)
    second.load_state_dict(*first.state_dict())
    second.fit(X[:20], T[:20], epochs=1, batch_size=4)
    assert second.epoch == 2


def test_resuming_counts_from_where_the_training_began(tmp_path):
    whole, part = rich(), rich()
    for trainer, folder in ((whole, "a"), (part, "b")):
        trainer.fit(X, T, epochs=1, batch_size=3)  # before
        if trainer is part:
            trainer.fit(X, T, epochs=3, steps=3, batch_size=3, checkpoint=tmp_path / folder)
    whole.fit(X, T, epochs=3, batch_size=3)
    again = rich()
    again.fit(X, T, epochs=3, batch_size=3, checkpoint=tmp_path / "b", resume=True)
    assert again.epoch == 4
    assert_same_training(again, whole)


def test_resuming_what_is_done_changes_nothing_and_keeps_the_best(tmp_path):
    def go():
        trainer = rich()
        checkpoints = Checkpoints(tmp_path, best="val_loss")
        trainer.fit(X, T, epochs=3, batch_size=3, validation=HELD_OUT, checkpoint=checkpoints, resume=True)
        return trainer, [(path.name, path.read_bytes()) for path in checkpoints.paths()], checkpoints.best()[1]

    first, files, best = go()
    again, files_again, best_again = go()
    assert_same_training(again, first)
    assert files_again == files
    losses = first.history["val_loss"]
    assert best["checkpoint"]["score"] == best_again["checkpoint"]["score"] == min(losses)


def test_the_last_checkpoint_has_the_score_of_its_epoch(tmp_path):
    checkpoints = Checkpoints(tmp_path, best="val_loss", every_epochs=5)
    history = rich().fit(X, T, epochs=7, batch_size=3, validation=HELD_OUT, checkpoint=checkpoints)
    assert [load(path)[1]["checkpoint"]["score"] for path in checkpoints.paths()] == [
        history["val_loss"][4],
        history["val_loss"][6],
    ]


def test_a_checkpoint_within_an_epoch_has_no_score(tmp_path):
    checkpoints = Checkpoints(tmp_path, best="loss", keep=None)
    rich().fit(X, T, steps=6, batch_size=3, checkpoint=checkpoints)
    scores = [load(path)[1]["checkpoint"]["score"] for path in checkpoints.paths()]
    assert [score is None for score in scores] == [False, True]


@pytest.mark.parametrize(
    ("best", "callbacks"), [("val_los", []), ("val_loss", [lambda trainer, row: None]), ("val_auc", []), ("auc", [])]
)
def test_a_best_that_will_not_be_reported_is_refused_before_training(tmp_path, best, callbacks):
    trainer = rich(training_metrics=False)
    before = everything(trainer)
    message = f"Checkpoints expected best to be one of epoch, loss, learning_rate, seconds, got '{best}'"
    with pytest.raises(ValueError, match=message):
        trainer.fit(X, T, epochs=1, checkpoint=Checkpoints(tmp_path / "a", best=best, mode="min"), callbacks=callbacks)
    assert_equal(everything(trainer), before)
    assert not (tmp_path / "a").exists()


def test_a_best_that_a_callback_reports_is_kept_and_a_missing_one_is_a_warning(tmp_path):
    def reporting(trainer, row):
        row["own"] = abs(row["epoch"] - 2)

    rich().fit(X, T, epochs=3, checkpoint=Checkpoints(tmp_path / "a", best="own", mode="min"), callbacks=[reporting])
    assert Checkpoints(tmp_path / "a", best="own", mode="min").best()[1]["checkpoint"]["epoch"] == 2
    message = r"Checkpoints\(best='other'\) expected a number of that name in each epoch, got epoch, loss"
    with pytest.warns(UserWarning, match=message) as seen:
        rich().fit(
            X, T, epochs=3, checkpoint=Checkpoints(tmp_path / "b", best="other", mode="min"), callbacks=[reporting]
        )
    assert len(seen) == 1
    assert seen[0].filename == __file__


def test_a_resume_without_a_folder_is_refused():
    with pytest.raises(ValueError, match=r"expected checkpoint=... to resume from"):
        rich().fit(X, T, epochs=1, resume=True)


def test_a_folder_of_another_training_is_not_written_over(tmp_path):
    rich().fit(X, T, epochs=1, checkpoint=tmp_path)
    with pytest.raises(FileExistsError, match="pass resume=True to go on with it, or take another folder"):
        rich().fit(X, T, epochs=1, checkpoint=tmp_path)


def test_checkpoints_come_after_every_so_many_steps_even_at_an_epochs_end(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=None, every_epochs=None, every_steps=2)
    rich().fit(X, T, epochs=2, batch_size=3, checkpoint=checkpoints)
    assert [int(path.stem.partition("-")[2]) for path in checkpoints.paths()] == [2, 4, 6, 8]


def test_versions_and_device_are_in_the_state():
    _, metadata = rich().state_dict()
    assert metadata["versions"]["xpnn"] == xpnn.__version__
    assert metadata["versions"]["numpy"] == numpy.__version__
    assert metadata["device"].startswith("cpu, numpy ")


# Layers that draw: the seed of a model that is built again is another one


def drawing(seed):
    """A model of all kinds of layers that draw, whose draws are the operating system's if there is no seed."""
    layers = nn.Linear(3, 6), nn.RReLU(), nn.Dropout(0.3), nn.AlphaDropout(0.2), nn.DropPath(0.1), nn.Linear(6, 1)
    model = nn.Sequential(*layers)
    return model if seed is None else model.initialize(seed=seed)


@pytest.mark.parametrize("seed", [4, None])
@pytest.mark.parametrize("compile", [False, True])
def test_a_training_goes_on_bit_for_bit_with_a_model_that_drew_from_another_seed(tmp_path, seed, compile):
    whole, first, second = (trainer_of(drawing(n), compile=compile) for n in (3, 3, seed))
    whole.fit(X, T, steps=60, batch_size=3)
    first.fit(X, T, steps=29, batch_size=3)
    second.fit(X, T, steps=29, batch_size=3)  # a plan that has the other seed in it is not used any more
    second.load_state_dict(*on_disk(first, tmp_path))
    second.fit(X, T, steps=31, batch_size=3)
    assert_same_training(second, whole)


def test_a_state_without_seeds_of_layers_leaves_them(tmp_path):
    trainer = trainer_of()
    arrays, metadata = trainer.state_dict()
    del metadata["draws"]
    trainer.load_state_dict(arrays, metadata)
    assert trainer.model[3].seed == 3


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (3, "expected the state's draws by model, got 3"),
        ({"model.": 3}, "expected seeds of layers by their path, got 3"),
        ({"model.": {"0": [1, "a"]}}, "there is a seed for '0', which is no layer of the model's that draws"),
        ({"model.": {"3": [-1, "a"]}}, r"expected \[seed, stream\] for '3', got \[-1, 'a'\]"),
        ({"model.": {"3": [True, "a"]}}, r"expected \[seed, stream\] for '3', got \[True, 'a'\]"),
        ({"model.": {"3": [1, 2]}}, r"expected \[seed, stream\] for '3', got \[1, 2\]"),
        ({"model.": {"3": 1}}, r"expected \[seed, stream\] for '3', got 1"),
    ],
    ids=str,
)
def test_seeds_of_layers_that_are_none_are_refused(draws, message):
    trainer = trainer_of()
    before = everything(trainer)
    arrays, metadata = trainer_of(network(seed=9)).state_dict()
    with pytest.raises(ValueError, match=message):
        trainer.load_state_dict(arrays, {**metadata, "draws": draws})
    assert_equal(everything(trainer), before)
    assert trainer.model[3].seed == 3
