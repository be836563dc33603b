"""Pictures of a history: what they show, when they are drawn, and that they are written whole."""

import math

import pytest
from trained import HELD_OUT, T, X, trainer_of

from xpnn.training import History
from xpnn.training.callbacks import Plots, plot_history, plots
from xpnn.training.metrics import binary_accuracy

pytest.importorskip("matplotlib")

ROWS = [
    {"epoch": n, "loss": 4.0 / n, "val_loss": 1 + abs(n - 3), "accuracy": 0.5 + n / 20, "learning_rate": 10.0**-n}
    for n in range(1, 6)
]


def lines(axes):
    """The lines of a panel by label: epochs and values."""
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


def test_a_panel_for_the_loss_each_metric_and_the_rate():
    figure = plot_history(History(rows=ROWS))
    loss, accuracy, rate = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]
    assert lines(loss) == {
        "training": ([1, 2, 3, 4, 5], [row["loss"] for row in ROWS]),
        "validation": ([1, 2, 3, 4, 5], [row["val_loss"] for row in ROWS]),
        "best, 1 in epoch 3": ([3], [1]),
    }
    assert "best, 0.75 in epoch 5" in lines(accuracy)
    assert (loss.get_yscale(), accuracy.get_yscale(), rate.get_yscale()) == ("linear", "linear", "log")
    assert len(rate.lines) == 1


def test_training_and_validation_differ_in_colour_and_kind_of_line():
    loss = plot_history(History(rows=ROWS)).axes[0]
    training, validation = loss.lines[:2]
    assert (training.get_color(), training.get_linestyle()) == ("#0072B2", "-")
    assert (validation.get_color(), validation.get_linestyle()) == ("#D55E00", "--")


def test_gaps_and_what_is_not_finite_are_left_out():
    rows = [{"epoch": 1, "loss": math.nan, "val_loss": 2.0}, {"epoch": 2, "loss": 1.0}, {"epoch": 3, "loss": math.inf}]
    (loss,) = plot_history(History(rows=rows)).axes
    found = lines(loss)
    assert (found["training"], found["validation"]) == (([2], [1.0]), ([1], [2.0]))
    assert loss.lines[0].get_marker() == "o"  # a line needs two epochs


def test_four_panels_take_two_rows():
    rows = [{"epoch": 1, **dict.fromkeys(["loss", "a", "b", "learning_rate"], 1.0)}]
    assert len(plot_history(History(rows=rows)).axes) == 4


def test_no_epochs_give_no_picture():
    with pytest.raises(ValueError, match="expected a history of one epoch or more, got none"):
        plot_history(History())


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_picture_is_written_in_the_format_of_the_name(tmp_path, ending, start):
    path = tmp_path / "new" / f"training.{ending}"
    trainer_of().fit(X, T, epochs=1, validation=HELD_OUT, callbacks=[Plots(path)])
    assert path.read_bytes().startswith(start)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.fixture
def drawn(monkeypatch):
    """Notes the epochs of each picture instead of drawing it."""
    found = []
    monkeypatch.setattr(plots, "plot_history", lambda history: len(history))
    monkeypatch.setattr(plots, "write_figure", lambda path, figure: found.append(figure))
    return found


@pytest.mark.parametrize(("epochs", "expected"), [(7, [3, 6, 7]), (6, [3, 6]), (1, [1]), (0, [])])
def test_it_is_drawn_now_and_then_and_at_the_end(tmp_path, drawn, epochs, expected):
    trainer_of().fit(X, T, epochs=epochs, callbacks=[Plots(tmp_path / "a.png", every_epochs=3)])
    assert drawn == expected


def test_it_is_drawn_after_an_error_too(tmp_path, drawn):
    def failing(trainer, row):
        if row["epoch"] == 2:
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        trainer_of(metrics={"accuracy": binary_accuracy}).fit(
            X, T, epochs=9, callbacks=[Plots(tmp_path / "a.png", every_epochs=5), failing]
        )
    assert drawn == [2]


def test_other_endings_are_refused():
    with pytest.raises(ValueError, match=r"ends in .png, .svg, .pdf, got 'a.jpg'"):
        Plots("a.jpg")


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch):
    from importlib import util

    monkeypatch.setattr(util, "find_spec", lambda name, *a: None)
    for call in (lambda: Plots("a.png"), lambda: plot_history(History(rows=ROWS))):
        with pytest.raises(ModuleNotFoundError, match=r"needs matplotlib: pip install 'xpnn\[plot\]'"):
            call()


def test_a_history_of_nan_alone_is_an_empty_panel_that_says_so():
    figure = plot_history(History(rows=[{"epoch": 1, "loss": math.nan}]))
    assert [axes.get_title() for axes in figure.axes] == ["no number is finite"]
