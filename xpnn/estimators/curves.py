"""How a fit went, as a picture: the loss by epoch, of training and of held-out rows, and their score.

    CurvesDisplay.from_estimator(model)

After scikit-learn's displays (`LearningCurveDisplay` and the like): the numbers are kept, `plot` draws them, and the
axes can be drawn on. The colours and lines are those of `training.plot_history`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

import numpy
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from xpnn.training.callbacks.plots import GREY, draw_panel, panels_of, require_matplotlib
from xpnn.training.history import History

__all__ = ["CurvesDisplay"]

_SCORES = {"val_r2", "val_roc_auc", "val_accuracy", "val_balanced_accuracy"}
_ERRORS = {"val_squared_error", "val_absolute_error"}  # in units of the targets, which the training loss is not in
_PANEL = (4.6, 3.4)  # inches


class CurvesDisplay:
    """Curves of a fit: the loss of each epoch, and loss and score of held-out rows where there were some.

    Make it with `from_estimator`. It needs matplotlib (`pip install 'xpnn[plot]'`).

    Parameters
    ----------
    loss
        The training loss of each epoch.
    val_loss, val_score, val_error
        Those of held-out rows, or None; the error is in units of the targets. Epochs that have none are None or NaN;
        where there are fewer than of `loss`, they are of the last epochs.
    name
        A title, or None.
    best_epoch
        The epoch whose weights were kept, counted from 1, which gets a vertical line; None if it was the last.
    score_name
        What the score is, such as 'accuracy', beside its axis; None says nothing.

    Attributes
    ----------
    axes_
        The axes of matplotlib, shape (panels,): the loss, and score or error if there is one.
    ax_
        The first of them.
    figure_
        The figure they are in.

    Raises
    ------
    ValueError
        If there is no epoch, or a curve is longer than that of the loss.

    Examples
    --------
    >>> import numpy
    >>> from xpnn.estimators import CurvesDisplay, MLPRegressor
    >>> X = numpy.linspace(-1, 1, 200)[:, None]
    >>> model = MLPRegressor(early_stopping=True, tol=1e-3, random_state=0).fit(X, X[:, 0] ** 2)
    >>> display = CurvesDisplay.from_estimator(model)
    >>> [axes.get_title() for axes in display.axes_]
    ['loss', 'score']
    """

    axes_: Any
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        loss: Sequence[float],
        val_loss: Sequence[float] | None = None,
        val_score: Sequence[float] | None = None,
        val_error: Sequence[float] | None = None,
        name: str | None = None,
        best_epoch: int | None = None,
        score_name: str | None = None,
    ) -> None:
        if not len(loss):
            raise ValueError("CurvesDisplay expected the loss of one epoch or more, got none")
        if best_epoch is not None and not 1 <= best_epoch <= len(loss):
            raise ValueError(f"CurvesDisplay expected best_epoch from 1 to {len(loss)}, got {best_epoch}")
        for curve, given in {"val_loss": val_loss, "val_score": val_score, "val_error": val_error}.items():
            if given is not None and len(given) > len(loss):
                raise ValueError(f"CurvesDisplay expected {curve} of {len(loss)} epochs at most, got {len(given)}")
        self.loss, self.val_loss, self.val_score, self.val_error = loss, val_loss, val_score, val_error
        self.name, self.best_epoch, self.score_name = name, best_epoch, score_name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, name: str | None = None) -> CurvesDisplay:
        """The curves of a fitted estimator, drawn.

        Parameters
        ----------
        estimator
            An estimator with `loss_curve_` (scikit-learn's MLPs, too) or `history_`, a pipeline that ends in one, or a
            search whose `best_estimator_` is one.
        ax, name
            As of `plot`.

        Raises
        ------
        TypeError
            If the estimator keeps no curves: 'lbfgs' has no epochs, a search without `refit` no estimator.
        """
        check_is_fitted(estimator)
        if hasattr(estimator, "cv_results_") and not hasattr(estimator, "best_estimator_"):
            raise TypeError("expected a search with a best_estimator_, got one with refit=False: it keeps no estimator")
        last = getattr(estimator, "best_estimator_", estimator)
        last = last[-1] if isinstance(last, Pipeline) else last
        return cls(**_curves_of(last), name=name).plot(ax)

    def plot(self, ax: Any = None, *, name: str | None = None) -> CurvesDisplay:
        """Draw the curves, the best epoch of each panel with a mark, and a line at the epoch whose weights were kept.

        Parameters
        ----------
        ax
            Axes to draw on, one for each panel; a single one is for the loss alone. None makes a figure.
        name
            A title; None is that of the display.

        Raises
        ------
        ValueError
            If there are neither as many axes as panels, nor one.
        ModuleNotFoundError
            If matplotlib is not installed.
        """
        require_matplotlib("CurvesDisplay")
        panels = panels_of(History(rows=self._rows()))
        self.axes_ = _axes_for(max(1, len(panels)), ax)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        for axes, (title, lines) in zip(self.axes_, panels.items(), strict=False):
            draw_panel(axes, title, lines)
            if title == "score" and self.score_name is not None:
                axes.set_ylabel(self.score_name)
            if self.best_epoch is not None:
                axes.axvline(self.best_epoch, color=GREY, linestyle=":", label=f"kept, epoch {self.best_epoch}")
                axes.legend(framealpha=0.8, edgecolor="none")  # the line may run through it
        name = self.name if name is None else name
        if name is not None:
            self.figure_.suptitle(name)
        return self

    def _rows(self) -> list[dict[str, float]]:
        """As rows of a history."""
        epochs = len(self.loss)
        rows = [{"epoch": n + 1, "loss": float(loss)} for n, loss in enumerate(self.loss)]
        curves = {"val_loss": self.val_loss, "val_score": self.val_score, "val_error": self.val_error}
        for key, curve in curves.items():
            values = [] if curve is None else list(curve)[-epochs:]
            for row, value in zip(rows[epochs - len(values) :], values, strict=True):
                if value is not None and not isnan(value):  # there were no rows held out
                    row[key] = float(value)
        return rows


def _curves_of(estimator: Any) -> dict[str, Any]:
    history = getattr(estimator, "history_", None)
    best_epoch = getattr(estimator, "best_epoch_", None)
    if isinstance(history, History):
        return {**_of_history(estimator, history), "best_epoch": best_epoch}
    if not hasattr(estimator, "loss_curve_"):
        raise TypeError(f"expected an estimator with loss_curve_ or history_, got {estimator!r:.80}")
    return {
        "loss": estimator.loss_curve_,
        "val_loss": getattr(estimator, "validation_loss_curve_", None),
        "val_score": getattr(estimator, "validation_scores_", None),
        "best_epoch": best_epoch,
        "score_name": _usual_score(estimator),
        **_of_scorer(estimator, getattr(estimator, "monitored_curve_", None)),
    }


def _of_history(estimator: Any, history: History) -> dict[str, Any]:
    known = {key for row in history.rows for key in row}
    found: dict[str, Any] = {key: history[key] for key in ("loss", "val_loss") if key in known}
    if "val_scorer" in known:
        return {**found, **_of_scorer(estimator, history["val_scorer"])}
    if "val_score" in known:
        return {**found, "val_score": history["val_score"], "score_name": _usual_score(estimator)}
    for key in known:  # of a tabular estimator, by name
        if key == "val_log_loss":
            found.setdefault("val_loss", history[key])
        elif key in _SCORES:
            found |= {"val_score": history[key], "score_name": key.removeprefix("val_")}
        elif key in _ERRORS:
            found.setdefault("val_error", history[key])
    return found


def _of_scorer(estimator: Any, curve: Sequence[Any] | None) -> dict[str, Any]:
    """What a scorer said that decided, if one did."""
    if curve is None:
        return {}
    monitor = estimator.monitor
    name = monitor if isinstance(monitor, str) else getattr(monitor, "__name__", "monitor")
    return {"val_score": curve, "score_name": name}


def _usual_score(estimator: Any) -> str:
    return "accuracy" if is_classifier(estimator) else "r2"


def _axes_for(panels: int, given: Any) -> Any:
    if given is not None:
        axes = numpy.atleast_1d(given)
        if not all(hasattr(one, "plot") for one in axes.flat):
            raise TypeError(f"ax expected axes of matplotlib, got {given!r:.60}")
        if axes.shape not in ((panels,), (1,)):
            raise ValueError(f"expected one of the axes or {panels}, got shape {axes.shape}")
        return axes
    from matplotlib import pyplot

    width, height = _PANEL
    _, axes = pyplot.subplots(1, panels, figsize=(width * panels, height), squeeze=False, layout="constrained")
    return axes[0]
