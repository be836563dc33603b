"""What the bar shows, where it stays quiet, and that a step does not pay for it."""

import re
import sys
from types import SimpleNamespace

import pytest
from trained import HELD_OUT, T, X, trainer_of

from xpnn.training import Loader
from xpnn.training.callbacks import ProgressBar
from xpnn.training.metrics import binary_accuracy

tqdm = pytest.importorskip("tqdm")


def lines(text):
    """What the bar showed, one after the other."""
    return [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]


def test_it_shows_epochs_steps_and_numbers(capsys):
    trainer = trainer_of(metrics={"accuracy": binary_accuracy})
    trainer.fit(X, T, epochs=3, batch_size=6, validation=HELD_OUT, callbacks=[ProgressBar(show=True)])
    shown = capsys.readouterr()
    assert shown.out == ""
    last = lines(shown.err)[-1]
    assert last.startswith("epoch 3/3: 100%")
    assert "12/12" in last  # 4 steps an epoch
    row = trainer.history.rows[-1]
    assert f"loss={row['loss']:.4f}, val_loss={row['val_loss']:.4f}, val_accuracy={row['val_accuracy']:.4f}" in last
    assert "seconds" not in last
    assert "learning_rate" not in last


class Moves:
    """Stands in for tqdm: notes where the bar is."""

    def __init__(self, total, initial, **options):
        self.total, self.n, self.places, self.closed = total, initial, [initial], False
        Moves.made.append(self)

    def set_description_str(self, text, refresh):
        self.text = text

    def set_postfix(self, numbers, refresh):
        self.numbers = numbers

    def update(self, steps):
        self.n += steps
        self.places.append(self.n)

    def close(self):
        self.closed = True


@pytest.fixture
def moves(monkeypatch):
    Moves.made = []
    monkeypatch.setattr(tqdm, "tqdm", Moves)
    return Moves.made


def test_it_moves_at_reports_only(moves):
    trainer_of().fit(
        X, T, epochs=2, batch_size=3, report_every=3, callbacks=[ProgressBar(show=True)]
    )  # 8 steps an epoch
    (found,) = moves
    assert (found.total, found.closed) == (16, True)
    assert found.places == [
        0,
        0,
        0,
        3,
        6,
        8,
        8,
        11,
        14,
        16,
        16,
    ]  # begun, then for each epoch: start, reports, end; closed


@pytest.mark.parametrize(
    ("bounds", "total", "text"),
    [
        ({"epochs": 2}, 8, "epoch 2/2"),
        ({"epochs": 2, "steps": 6}, 6, "epoch 2/2"),
        ({"steps": 6}, 6, "epoch 2"),
        ({"epochs": 1, "steps": 6}, 4, "epoch 1/1"),
        ({"seconds": 0.0}, None, "epoch 1"),
    ],
)
def test_its_length_is_that_of_the_training(moves, bounds, total, text):
    trainer_of().fit(X, T, **bounds, batch_size=6, callbacks=[ProgressBar(show=True)])
    assert (moves[0].total, moves[0].text) == (total, text)
    assert moves[0].n == (total or 0)


def test_it_goes_on_where_training_does(moves):
    trainer = trainer_of(accumulate=2)
    for bounds in ({"steps": 1}, {"epochs": 2}):
        trainer.fit(X, T, **bounds, batch_size=6, callbacks=[ProgressBar(show=True)])
    assert (moves[1].places[0], moves[1].n, moves[1].total) == (1, 4, 4)


def test_a_stream_without_a_length_has_no_total(moves):
    def samples():
        yield from zip(X, T, strict=True)

    trainer_of().fit(Loader(samples, batch_size=8, shuffle=False), epochs=2, callbacks=[ProgressBar(show=True)])
    assert (moves[0].total, moves[0].n, moves[0].text) == (None, 6, "epoch 2/2")


@pytest.mark.parametrize("show", [None, False])
def test_it_is_quiet_off_a_terminal(capsys, show):
    trainer_of().fit(X, T, epochs=2, callbacks=[ProgressBar(show=show)])
    assert capsys.readouterr() == ("", "")


def test_it_is_shown_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    trainer_of().fit(X, T, epochs=2, callbacks=[ProgressBar()])
    assert "epoch 2/2" in capsys.readouterr().err


def notebook(monkeypatch, shell):
    kernel = type(shell, (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))


def test_it_is_shown_in_a_notebook_and_not_in_ipythons_terminal(capsys, monkeypatch):
    notebook(monkeypatch, "ZMQInteractiveShell")
    trainer_of().fit(X, T, epochs=2, callbacks=[ProgressBar()])
    assert "epoch 2/2" in capsys.readouterr().err
    notebook(monkeypatch, "TerminalInteractiveShell")
    trainer_of().fit(X, T, epochs=2, callbacks=[ProgressBar()])
    assert capsys.readouterr().err == ""


def test_a_notebook_with_widgets_has_a_bar_of_widgets(monkeypatch):
    from importlib import util

    from xpnn.training.callbacks.progress import _bar_class

    notebook(monkeypatch, "ZMQInteractiveShell")
    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *a: name if name == "ipywidgets" else found(name, *a))
    widget = type("widget", (), {})
    monkeypatch.setitem(sys.modules, "tqdm.notebook", SimpleNamespace(tqdm=widget))
    assert _bar_class() is widget
    notebook(monkeypatch, "TerminalInteractiveShell")
    assert _bar_class() is tqdm.tqdm


def test_without_tqdm_it_says_how_to_get_it(monkeypatch):
    from importlib import util

    monkeypatch.setattr(util, "find_spec", lambda name, *a: None)
    with pytest.raises(ModuleNotFoundError, match=r"ProgressBar needs tqdm: pip install 'xpnn\[progress\]'"):
        trainer_of().fit(X, T, epochs=1, callbacks=[ProgressBar(show=True)])


def test_it_is_closed_after_an_error(moves):
    def failing(trainer, row):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        trainer_of().fit(X, T, epochs=2, callbacks=[ProgressBar(show=True), failing])
    assert moves[0].closed
