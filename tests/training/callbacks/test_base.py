"""When callbacks are called, what an error in one says, and that no error is lost."""

import numpy
import pytest
from trained import HELD_OUT, T, X, assert_same_training, everything, trainer_of

from xpnn import nn
from xpnn.training.callbacks import Callback

MOMENTS = ["fit_starts", "epoch_starts", "report", "epoch_ends", "fit_ends"]


class Noting(Callback):
    """Notes each moment with the trainer's position."""

    def __init__(self):
        self.calls = []

    def fit_starts(self, trainer):
        self.calls.append(("fit_starts", trainer.epoch, trainer.step))

    def epoch_starts(self, trainer):
        assert trainer.model.training
        self.calls.append(("epoch_starts", trainer.epoch, trainer.step))

    def report(self, trainer, row):
        assert (row["epoch"], row["batch"], row["step"]) == (trainer.epoch + 1, trainer.batch, trainer.step)
        self.calls.append(("report", trainer.epoch, trainer.step))

    def epoch_ends(self, trainer, row):
        assert not trainer.model.training
        self.calls.append(("epoch_ends", trainer.epoch, trainer.step))

    def fit_ends(self, trainer):
        self.calls.append(("fit_ends", trainer.epoch, trainer.step, trainer.interrupted))


class Failing(Callback):
    """Raises at one moment."""

    def __init__(self, *moments):
        for moment in moments:
            setattr(self, moment, lambda *arguments, moment=moment: self.fail(moment))

    def fail(self, moment):
        raise RuntimeError(f"on purpose in {moment}")


def test_moments_come_in_their_order():
    noting = Noting()
    trainer_of().fit(X, T, epochs=2, batch_size=6, report_every=3, callbacks=[noting])  # 4 steps an epoch
    assert noting.calls == [
        ("fit_starts", 0, 0),
        ("epoch_starts", 0, 0), ("report", 0, 3), ("epoch_ends", 1, 4),
        ("epoch_starts", 1, 4), ("report", 1, 7), ("epoch_ends", 2, 8),
        ("fit_ends", 2, 8, False),
    ]  # fmt: skip


def test_an_epoch_that_is_taken_up_again_starts_again():
    noting = Noting()
    trainer = trainer_of()
    trainer.fit(X, T, steps=2, batch_size=6)
    trainer.fit(X, T, epochs=1, batch_size=6, callbacks=[noting])
    assert noting.calls == [
        ("fit_starts", 0, 2),
        ("epoch_starts", 0, 2),
        ("epoch_ends", 1, 4),
        ("fit_ends", 1, 4, False),
    ]


def test_reports_have_running_numbers_of_the_epoch():
    reports = []

    class Reading(Callback):
        def report(self, trainer, row):
            reports.append(row)

    from xpnn.training.metrics import binary_accuracy

    trainer = trainer_of(metrics={"accuracy": binary_accuracy}, training_metrics=True)
    history = trainer.fit(X[:20], T[:20], epochs=1, batch_size=5, report_every=1, callbacks=[Reading()])
    assert [row["step"] for row in reports] == [1, 2, 3]  # the last step is told by the epoch's end
    assert list(reports[0]) == ["epoch", "batch", "step", "loss", "accuracy"]
    first = trainer_of()
    first.fit(X[:20], T[:20], steps=1, batch_size=5)
    assert reports[0]["loss"] == first._running.loss()
    assert history["loss"][0] != reports[-1]["loss"]


def test_goal_and_reports_are_known_when_a_fit_starts():
    seen = []

    class Reading(Callback):
        def fit_starts(self, trainer):
            seen.append((trainer.goal.epoch, trainer.goal.step, trainer.goal.epoch_steps, trainer.reports))

    trainer = trainer_of(accumulate=3)
    trainer.fit(X, T, epochs=2, batch_size=6, callbacks=[Reading()])
    history = trainer.fit(X, T, epochs=5, steps=3, batch_size=6, validation=HELD_OUT, callbacks=[Reading()])
    assert seen[0] == (2, None, 2, ["epoch", "loss", "learning_rate", "seconds"])
    assert seen[1] == (7, 7, 2, list(history.rows[-1]))


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_error_names_the_callback_and_the_moment(moment):
    noting = Noting()
    trainer = trainer_of()
    with pytest.raises(RuntimeError, match=f"on purpose in {moment}") as caught:
        trainer.fit(X, T, epochs=2, batch_size=6, report_every=3, callbacks=[Failing(moment), noting])
    assert caught.value.__notes__ == [f"It comes from the callback Failing, in {moment}"]
    assert [call[0] for call in noting.calls][-1] == "fit_ends"
    assert noting.calls[-1][-1] == (moment != "fit_ends")  # interrupted
    assert not trainer.model.training


def test_an_error_in_a_function_names_it():
    def ringing(trainer, row):
        raise ValueError("no bell")

    with pytest.raises(ValueError, match="no bell") as caught:
        trainer_of().fit(X, T, epochs=1, callbacks=[ringing])
    (note,) = caught.value.__notes__
    assert note.endswith("ringing, in epoch_ends")


@pytest.mark.parametrize("moment", MOMENTS[:-1])
def test_an_error_at_the_end_does_not_hide_the_first(moment):
    noting = Noting()
    callbacks = [Failing(moment, "fit_ends"), Failing("fit_ends"), noting]
    with pytest.raises(RuntimeError, match=f"on purpose in {moment}") as caught:
        trainer_of().fit(X, T, epochs=1, batch_size=6, report_every=3, callbacks=callbacks)
    later = "After that came RuntimeError: on purpose in fit_ends. It comes from the callback Failing, in fit_ends"
    assert caught.value.__notes__ == [f"It comes from the callback Failing, in {moment}", later, later]
    assert noting.calls[-1][0] == "fit_ends"


def test_of_several_errors_at_the_end_the_first_is_raised():
    trainer = trainer_of()
    with pytest.raises(RuntimeError, match="on purpose in fit_ends") as caught:
        trainer.fit(X, T, epochs=1, callbacks=[Failing("fit_ends"), Failing("fit_ends")])
    assert len(caught.value.__notes__) == 2
    assert trainer.epoch == 1


def test_an_error_within_an_epoch_goes_back_to_the_last_look_and_training_can_go_on():
    trainer = trainer_of()
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer.fit(X, T, epochs=2, batch_size=6, report_every=3, callbacks=[Failing("report")])
    assert trainer.step == 3
    trainer.fit(X, T, epochs=2, batch_size=6, report_every=3)
    once = trainer_of()
    once.fit(X, T, epochs=2, batch_size=6, report_every=3)
    assert_same_training(trainer, once)


def test_callbacks_that_look_change_nothing():
    plain, watched = trainer_of(), trainer_of()
    plain.fit(X, T, epochs=3, batch_size=6)
    watched.fit(X, T, epochs=3, batch_size=6, report_every=2, callbacks=[Noting()])
    found, expected = everything(watched), everything(plain)
    for name in expected:
        if not name.startswith("running"):
            numpy.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("words", "expected callbacks to be a list of functions and Callbacks, got 'words'"),
        ([1], r"expected callbacks to be a list of functions and Callbacks, got \[1\]"),
        ([Noting], r"got the class Noting: write Noting\(...\)"),
        (Noting(), "expected callbacks to be a list"),
    ],
)
def test_what_is_no_list_of_callbacks_is_refused(given, message):
    with pytest.raises(TypeError, match=message):
        trainer_of().fit(X, T, epochs=1, callbacks=given)


def test_a_training_that_a_callback_ended_stays_ended_when_resumed(tmp_path):
    def enough(trainer, row):
        return row["epoch"] == 2

    def go(trainer):
        return trainer.fit(X, T, epochs=6, callbacks=[enough], checkpoint=tmp_path, resume=True)

    first, again = trainer_of(), trainer_of()
    assert len(go(first)) == 2
    assert len(go(again)) == 2
    assert_same_training(again, first)
    assert len(again.fit(X, T, epochs=1)) == 3  # without resume it goes on


@pytest.mark.parametrize(
    ("given", "epochs"), [(True, 1), (numpy.bool_(True), 1), (0.5, 3), ("yes", 3), (1, 3), (numpy.bool_(False), 3)]
)
def test_only_true_ends_a_training(given, epochs):
    trainer = trainer_of()
    trainer.fit(X, T, epochs=3, callbacks=[lambda trainer, row: given])
    assert (trainer.epoch, trainer.ended) == (epochs, epochs == 1)


class Counting(Callback):
    """Counts epochs, from where a checkpoint was."""

    def __init__(self):
        self.epochs = 0

    def epoch_ends(self, trainer, row):
        self.epochs += 1

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state):
        self.epochs = state["epochs"]


def test_a_state_finds_its_callback_whatever_stands_before_it(tmp_path):
    one, other = Counting(), Counting()
    trainer_of().fit(X, T, epochs=2, checkpoint=tmp_path, callbacks=[one, Noting(), other])
    other.epochs = 7
    trainer_of().fit(X, T, epochs=3, checkpoint=tmp_path, resume=True, callbacks=[one, other])
    one, other = Counting(), Counting()
    trainer_of().fit(X, T, epochs=3, checkpoint=tmp_path, resume=True, callbacks=[print_nothing, one, Noting(), other])
    assert (one.epochs, other.epochs) == (3, 3)


def print_nothing(trainer, row):
    """A function as a callback."""


def test_a_state_that_no_callback_takes_is_a_warning(tmp_path):
    trainer_of().fit(X, T, epochs=2, checkpoint=tmp_path, callbacks=[Counting(), Counting()])
    with pytest.warns(
        UserWarning, match="has the state of Counting number 2 .* no such callback: what it kept is lost"
    ):
        trainer_of().fit(X, T, epochs=2, checkpoint=tmp_path, resume=True, callbacks=[Counting()])
    with pytest.warns(UserWarning, match="Counting") as caught:
        trainer_of().fit(X, T, epochs=2, checkpoint=tmp_path, resume=True, callbacks=[Noting()])
    assert "the state of a Counting among" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_a_callback_may_give_another_loss_within_an_epoch():
    class Doubling(Callback):
        def report(self, trainer, row):
            trainer.loss = lambda y, t: 2 * nn.binary_cross_entropy_with_logits(y, t)

    trainer, plain = trainer_of(), trainer_of()
    trainer.fit(X, T, epochs=1, batch_size=1 * 6, report_every=2, callbacks=[Doubling()])
    plain.fit(X, T, epochs=1, batch_size=6, report_every=2)
    assert trainer.history["loss"][0] > 1.2 * plain.history["loss"][0]
