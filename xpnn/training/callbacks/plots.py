"""Pictures of a training: loss, metrics and learning rate by epoch.

Training is blue and solid, validation orange and dashed: two colours that people of any colour vision tell apart (Okabe
and Ito, Color universal design, 2008), and two kinds of line where there is no colour.
"""

from __future__ import annotations

import io
import os
from importlib import util
from math import ceil, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from xpnn.training.callbacks.base import Callback
from xpnn.training.callbacks.numbers import beats, single
from xpnn.training.data import require_whole
from xpnn.training.files import write_whole
from xpnn.training.history import History

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["GREY", "Plots", "draw_panel", "panels_of", "plot_history", "require_matplotlib", "write_figure"]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
_NOT_DRAWN = ("epoch", "seconds", "skipped")
_FORMATS = (".png", ".svg", ".pdf")
_WIDE = 30  # the largest value through the smallest from which on an axis is logarithmic


class Plots(Callback):
    """Draws the history into a file while a model is trained, and at the end. It needs matplotlib.

    The file is written whole each time, so that a viewer that follows it never sees half a picture.

    Parameters
    ----------
    path
        The file, '.png', '.svg' or '.pdf'; its folder is made if need be.
    every_epochs
        After how many epochs it is drawn again: drawing takes some tenths of a second.

    Raises
    ------
    ValueError
        If `path` has another ending, or `every_epochs` is below 1.
    ModuleNotFoundError
        If matplotlib is not installed.
    """

    only_looks: ClassVar[bool] = True

    def __init__(self, path: str | os.PathLike[str], *, every_epochs: int = 10) -> None:
        require_whole("every_epochs", every_epochs, 1)
        require_matplotlib("Plots")
        self.path, self.every_epochs = _checked(path), every_epochs
        self._drawn = 0

    def fit_starts(self, trainer: Trainer) -> None:
        """Make the folder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._drawn = 0

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Draw, if it is time to."""
        if trainer.epoch % self.every_epochs == 0:
            self._draw(trainer)
        return None

    def fit_ends(self, trainer: Trainer) -> None:
        """Draw all epochs."""
        if trainer.history.rows and self._drawn != trainer.epoch:
            self._draw(trainer)

    def _draw(self, trainer: Trainer) -> None:
        write_figure(self.path, plot_history(trainer.history))
        self._drawn = trainer.epoch

    def __repr__(self) -> str:
        return f"Plots({str(self.path)!r})"


def plot_history(history: History) -> Any:
    """The history as a figure of matplotlib: a panel for the loss, for each metric, and for the learning rate.

    The best epoch of each panel, by the validation if there is one, has a mark. Axes are logarithmic where positive
    values range far. In a notebook the figure shows itself; elsewhere `figure.savefig(path)` writes it.

    Raises
    ------
    ValueError
        If there are no epochs yet.
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> history = History(rows=[{"epoch": 1, "loss": 0.5, "val_loss": 0.6}, {"epoch": 2, "loss": 0.3, "val_loss": 0.5}])
    >>> figure = plot_history(history)
    >>> [axes.get_title() for axes in figure.axes]
    ['loss']
    """
    require_matplotlib("plot_history")
    from matplotlib.figure import Figure

    if not history.rows:
        raise ValueError("plot_history expected a history of one epoch or more, got none")
    panels = panels_of(history)
    if not panels:
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        figure.subplots().set(title="no number is finite", xlabel="epoch")
        return figure
    columns = min(3, len(panels))
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, (name, lines) in zip(grid, panels.items(), strict=False):
        draw_panel(axes, name, lines)
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def panels_of(history: History) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """For each panel its lines by name, epochs and values; the learning rate last."""
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in history.rows:
        for name, value in single(row).items():
            if name not in _NOT_DRAWN and isfinite(value):
                lines = panels.setdefault(name.removeprefix("val_"), {})
                lines.setdefault(name, []).append((int(row["epoch"]), float(value)))
    rate = panels.pop("learning_rate", None)
    return panels if rate is None else {**panels, "learning_rate": rate}


def draw_panel(axes: Any, name: str, lines: dict[str, list[tuple[int, float]]]) -> None:
    """Draw lines of a history, each of epochs and values, on axes of matplotlib."""
    for line, points in lines.items():
        validation = line.startswith("val_")
        color, style = (ORANGE, "--") if validation else (GREY if line == "learning_rate" else BLUE, "-")
        marker = "o" if len(points) == 1 else ""  # a line needs two epochs
        axes.plot(*zip(*points, strict=True), style, color=color, marker=marker, label=_label(line))
    judge = f"val_{name}" if f"val_{name}" in lines else name
    if name != "learning_rate":
        _mark_best(axes, judge, lines[judge])
    values = [value for points in lines.values() for _, value in points]
    if min(values) > 0 and max(values) > _WIDE * min(values):
        axes.set_yscale("log")
    axes.set(title=name.replace("_", " "), xlabel="epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="#dddddd", linewidth=0.6)
    if name != "learning_rate":
        axes.legend(frameon=False)


def _mark_best(axes: Any, name: str, points: list[tuple[int, float]]) -> None:
    epoch, best = points[0]
    for later, value in points[1:]:
        if beats(name, value, best):
            epoch, best = later, value
    axes.plot([epoch], [best], "o", color="black", markersize=5, label=f"best, {best:.4g} in epoch {epoch}", zorder=3)


def _label(name: str) -> str:
    return "validation" if name.startswith("val_") else "training"


def write_figure(path: str | os.PathLike[str], figure: Any) -> None:
    """Write a figure of matplotlib whole, in the format that the name's ending says."""
    path = _checked(path)
    contents = io.BytesIO()
    figure.savefig(contents, format=path.suffix[1:], dpi=120)
    write_whole(path, [contents.getvalue()])


def _checked(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix not in _FORMATS:
        raise ValueError(f"expected a picture's name that ends in {', '.join(_FORMATS)}, got {str(path)!r}")
    return path


def require_matplotlib(who: str) -> None:
    """Raise if matplotlib is not installed."""
    if util.find_spec("matplotlib") is None:
        raise ModuleNotFoundError(f"{who} needs matplotlib: pip install 'xpnn[plot]'")
