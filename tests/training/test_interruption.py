"""Ctrl-C and SIGTERM while a model is trained: they act at a step's end, save, and say how to go on."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from trained import LOSS, T, X, assert_same_training, everything, network, trainer_of

import xpnn
from xpnn import nn
from xpnn.training import Checkpoints
from xpnn.training.callbacks import Callback
from xpnn.training.interruption import noticed
from xpnn.training.repeated import Repeated

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
SIGNALS = [signal.SIGINT, signal.SIGTERM]
RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}
TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def usual_handlers():
    """Those of a plain Python, and what was there before again."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


def own_step(at, number, finished, times=1):
    """A step that gets a signal in its middle, and notes when it came to its end."""

    def step(model, optimizer, x, t):
        loss, gradients = xpnn.value_and_grad(lambda m: LOSS(m(x), t))(model)
        if len(finished) == at - 1:
            for _ in range(times):
                send(number)
        optimizer.step(gradients)
        finished.append(1)
        return loss

    return step


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("at", [1, 3, 4, 6])  # of 4 steps an epoch
def test_a_signal_acts_at_the_end_of_steps_with_a_checkpoint(tmp_path, number, at):
    finished, whole = [], trainer_of(step_function=own_step(99, number, []))
    trainer = trainer_of(step_function=own_step(at, number, finished), compile=False)
    with pytest.raises(RAISED[number]) as caught:
        trainer.fit(X, T, epochs=3, batch_size=6, checkpoint=tmp_path)
    assert trainer.step == len(finished) >= at
    assert trainer.step == int(trainer.optimizer.steps)
    if number == signal.SIGTERM:
        assert caught.value.code == 128 + signal.SIGTERM
    second = trainer_of(step_function=own_step(99, number, []))
    second.fit(X, T, epochs=3, batch_size=6, checkpoint=tmp_path, resume=True)
    whole.fit(X, T, epochs=3, batch_size=6)
    assert_same_training(second, whole)


def step_of(seconds, monkeypatch, at=0):
    """A step that takes so long by the loop's clock, and gets a signal at its `at`-th call."""
    now, calls = [0.0], []
    monkeypatch.setattr("xpnn.training.loop.time", SimpleNamespace(perf_counter=lambda: now[0]))
    plain = own_step(at, signal.SIGINT, calls)

    def step(*arguments):
        now[0] += seconds
        return plain(*arguments)

    return step


@pytest.mark.parametrize("seconds", [0.02, 0.03, 1.0])
@pytest.mark.parametrize("at", [1, 2, 5, 9])
def test_a_signal_acts_within_a_twentieth_of_a_second_or_a_step(seconds, at, monkeypatch):
    trainer = trainer_of(nn.Linear(3, 1), step_function=step_of(seconds, monkeypatch, at), compile=False)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, T, epochs=3, batch_size=1)
    assert at <= trainer.step <= at + (seconds < 0.025)


@pytest.mark.parametrize("seconds", [0.02, 0.03, 1.0])
@pytest.mark.parametrize("bound", [0.1, 0.5])
def test_a_bound_of_seconds_is_heeded_within_a_twentieth_of_a_second_or_a_step(seconds, bound, monkeypatch):
    trainer = trainer_of(nn.Linear(3, 1), step_function=step_of(seconds, monkeypatch), compile=False)
    trainer.fit(X, T, seconds=bound, batch_size=1)
    assert bound <= trainer.step * seconds < bound + max(0.05, seconds)


def test_short_steps_are_made_many_in_one_go(monkeypatch):
    trainer = trainer_of(nn.Linear(3, 1), step_function=step_of(0.0001, monkeypatch), compile=False)
    made = []
    each = Repeated.each
    monkeypatch.setattr(Repeated, "each", lambda self, calls, **k: made.append(len(calls)) or each(self, calls, **k))
    trainer.fit(X, T, epochs=2, batch_size=1)
    assert made == [1, 22, 23]  # one to see how long it takes


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_the_last_save_is_heeded_after_it(tmp_path, number):
    class Interrupted(Checkpoints):
        def save(self, *arguments, **options):
            send(number)
            return super().save(*arguments, **options)

    trainer = trainer_of()
    with pytest.raises(RAISED[number]):
        trainer.fit(X, T, steps=3, batch_size=6, checkpoint=Interrupted(tmp_path, every_epochs=None))
    assert [path.name for path in Checkpoints(tmp_path).paths()] == ["checkpoint-0000000003.safetensors"]
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.default_int_handler, signal.SIG_DFL]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", ["epoch_starts", "report", "epoch_ends"])
def test_a_signal_in_a_callback_is_noted_too(tmp_path, number, moment):
    class Sending(Callback):
        sent = False

    def act(self, *arguments):
        if not Sending.sent:
            Sending.sent = True
            send(number)

    setattr(Sending, moment, act)
    first, second, whole = trainer_of(), trainer_of(), trainer_of()
    with pytest.raises(RAISED[number]):
        first.fit(X, T, epochs=3, batch_size=6, report_every=2, checkpoint=tmp_path, callbacks=[Sending()])
    assert first.step == {"epoch_starts": 1, "report": 2, "epoch_ends": 4}[moment]
    second.fit(X, T, epochs=3, batch_size=6, report_every=2, checkpoint=tmp_path, resume=True)
    whole.fit(X, T, epochs=3, batch_size=6, report_every=2)
    assert_same_training(second, whole)


def test_the_message_says_where_it_stopped_and_how_to_go_on(tmp_path, caplog):
    trainer = trainer_of(step_function=own_step(3, signal.SIGINT, []), compile=False)
    with pytest.raises(KeyboardInterrupt) as caught:
        trainer.fit(X, T, epochs=2, batch_size=6, report_every=3, checkpoint=tmp_path)
    path = tmp_path / "checkpoint-0000000003.safetensors"
    message = (
        f"stopped after step 3, batch 3 of epoch 1; saved as {path}. To go on: fit(..., checkpoint=..., resume=True)"
    )
    assert str(caught.value) == message
    assert message in [record.getMessage() for record in caplog.records]


def test_without_a_checkpoint_the_next_fit_goes_on():
    trainer, whole = trainer_of(step_function=own_step(3, signal.SIGINT, []), compile=False), trainer_of()
    with pytest.raises(KeyboardInterrupt, match="stopped after step 3, batch 3 of epoch 1: call fit again to go on"):
        trainer.fit(X, T, epochs=2, batch_size=6, report_every=3)
    trainer.step_function = own_step(99, signal.SIGINT, [])
    trainer.fit(X, T, epochs=2, batch_size=6, report_every=3)
    whole.fit(X, T, epochs=2, batch_size=6, report_every=3)
    assert_same_training(trainer, whole)


@pytest.mark.parametrize(("number", "words"), [(signal.SIGINT, ""), (signal.SIGTERM, "143")])
def test_the_second_signal_acts_at_once_and_goes_back_to_the_last_look(number, words):
    finished = []
    trainer = trainer_of(step_function=own_step(6, number, finished, times=2), compile=False)
    with pytest.raises(RAISED[number]) as caught:
        trainer.fit(X, T, epochs=3, batch_size=6)
    assert str(caught.value) == words
    assert len(finished) == 5  # the sixth step was not made
    assert trainer.step == 4  # the look at the end of the first epoch
    plain = trainer_of()
    plain.fit(X, T, epochs=1, batch_size=6)
    numpy.testing.assert_array_equal(trainer.model[0].weight, plain.model[0].weight)


@pytest.mark.parametrize("ending", ["well", "error", "signal"])
def test_handlers_are_afterwards_those_from_before(ending):
    before = [signal.getsignal(number) for number in SIGNALS]
    inside = []

    def callback(trainer, row):
        inside.extend(signal.getsignal(number) for number in SIGNALS)
        if ending == "error":
            raise RuntimeError("on purpose")
        if ending == "signal":
            send(signal.SIGINT)

    try:
        trainer_of().fit(X, T, epochs=2, callbacks=[callback])
    except (RuntimeError, KeyboardInterrupt):
        assert ending != "well"
    assert all(handler not in before for handler in inside)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_handler_of_the_program_stays():
    def own(number, frame):
        """Of the program."""

    signal.signal(signal.SIGTERM, own)
    with noticed():
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_nothing_is_installed():
    seen, trainer = [], trainer_of()

    def train():
        trainer.fit(X, T, epochs=2, callbacks=[lambda trainer, row: seen.append(signal.getsignal(signal.SIGINT))])

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler] * 2
    assert trainer.epoch == 2


def test_a_checkpoint_made_at_this_step_is_not_made_again(tmp_path):
    saved = []

    class Counting(Checkpoints):
        def save(self, *arguments, **options):
            saved.append(options["step"])
            return super().save(*arguments, **options)

    def callback(trainer, row):
        send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="checkpoint-0000000004"):
        trainer_of().fit(X, T, epochs=2, batch_size=6, checkpoint=Counting(tmp_path), callbacks=[callback])
    assert saved == [4]


PROGRAM = """
import os, sys
from trained import T, X, trainer_of
def callback(trainer, row):
    if row["epoch"] == 2:
        os.kill(os.getpid(), int(sys.argv[2]))
trainer_of().fit(X, T, epochs=5, checkpoint=sys.argv[1], callbacks=[callback])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_a_process_ends_with_the_code_that_shells_know(tmp_path, number, code):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    words = [sys.executable, "-c", PROGRAM, tmp_path, str(int(number))]
    run = subprocess.run(words, env=environment, check=False, capture_output=True, text=True)
    assert run.returncode == code
    assert "stopped after step 2, batch 0 of epoch 3; saved as" in run.stderr
    arrays, metadata, _ = Checkpoints(tmp_path).latest()
    assert metadata["position"]["epoch"] == 2
    plain = trainer_of()
    plain.fit(X, T, epochs=2)
    found = everything(plain)
    for name, array in arrays.items():
        numpy.testing.assert_array_equal(array, found[name], err_msg=name)


def test_an_interrupted_network_is_whole():
    model = network()
    trainer = trainer_of(model)

    class Sending(Callback):
        def report(self, trainer, row):
            send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, T, epochs=2, batch_size=6, report_every=2, callbacks=[Sending()])
    assert not any(module.training for _, module in model.named_modules())
    assert trainer.predict(X).shape == (23, 1)
