"""Loss and metrics of a model that is not trained just now: all rows at once, or batch by batch where they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from xpnn.arrays.checks import numbers_looked_at
from xpnn.arrays.devices import Device
from xpnn.arrays.namespaces import Array
from xpnn.arrays.tree import Tree, flatten, tree_map
from xpnn.nn.module import Module
from xpnn.training.door import evaluating
from xpnn.training.feeds import Streamed
from xpnn.training.limits import Limits
from xpnn.training.metrics.accumulating import accumulated
from xpnn.training.metrics.base import Metric
from xpnn.training.running import Running, of_metric
from xpnn.training.steps import applied

__all__ = ["Evaluation", "of_validation"]


@dataclass
class Evaluation:
    """How a model is judged.

    Attributes
    ----------
    model, loss, metrics, place
        Those of the trainer.
    predicted
        Gives the outputs for batches of equal size and for the rest (`steps.Steps.predicted`).
    """

    model: Module
    loss: Callable[..., Array] | None
    metrics: Mapping[str, Metric | Callable[..., Any]]
    place: Device
    predicted: Callable[[list[Tree], list[Tree]], list[Tree]]

    def of_arrays(self, data: tuple[Tree, ...], batch_size: int) -> dict[str, Any]:
        """The numbers for `(x, t)` or `(x, t, w)` on the device, the loss of all rows in one."""
        x, t, *w = data
        return self._of_outputs(self.outputs(x, batch_size), t, *w)

    def _of_outputs(self, y: Tree, t: Tree, *w: Array) -> dict[str, Any]:
        weight = {"sample_weight": w[0]} if w else {}
        numbers: dict[str, Any] = {} if self.loss is None else {"loss": float(self.loss(y, t, **weight))}
        for name, metric in self._metrics().items():
            with of_metric(name):
                metric.update(y, t, *w)
                numbers[name] = metric.result()
        return numbers

    def of_loader(self, loader: Any) -> dict[str, Any]:
        """The numbers for all batches of a loader; the loss is the mean over items of the batches' losses, or, if the
        loader is `judged_at_once`, that of all rows in one, of which the outputs are kept then.
        """
        with numbers_looked_at():
            return self._of_loader(loader)

    def _of_loader(self, loader: Any) -> dict[str, Any]:
        dtype = next(slot.value.dtype for slot in self.model.slots())
        feed = Streamed(loader, self.place, dtype)
        feed.limits = Limits(self.model, self.loss, [], False, [])  # of targets: at labels and rows, all look here
        if getattr(loader, "judged_at_once", False):
            with evaluating(self.model):
                moved = map(feed.moved, loader.batches(epoch=0, start=0))
                batches = [(applied(self.model, x), *rest) for x, *rest in moved]
            return self._of_outputs(*self._together(batches))
        running = Running(self.place, self._metrics())
        with evaluating(self.model):
            for host in loader.batches(epoch=0, start=0):
                x, t, *w = batch = feed.moved(host)
                y = applied(self.model, x)
                weight = {"sample_weight": w[0]} if w else {}
                share = self.place.xp.sum(w[0]) if w else float(flatten(t)[0][0].shape[0])
                values = [] if self.loss is None else [self.loss(y, t, **weight)]
                running.add(values, [share] * len(values), [[(y, *batch[1:])]])
                running.sum_up()
        return ({} if self.loss is None else {"loss": running.loss()}) | running.numbers()

    def outputs(self, x: Tree, batch_size: int) -> Tree:
        """The model's outputs for all rows, in evaluation mode."""
        count = flatten(x)[0][0].shape[0]
        with evaluating(self.model):
            full = count // batch_size
            slices = [slice(n, min(n + batch_size, count)) for n in range(0, max(1, count), batch_size)]
            batches = [_rows(x, rows) for rows in slices]
            parts = self.predicted(batches[:full], batches[full:])
        return self._together(parts)

    def _together(self, parts: list[Any]) -> Any:
        """All rows of arrays in parts."""
        return parts[0] if len(parts) == 1 else tree_map(lambda *leaves: self.place.xp.concat(leaves, axis=0), *parts)

    def _metrics(self) -> dict[str, Metric]:
        found = {name: accumulated(metric) for name, metric in self.metrics.items()}
        for metric in found.values():
            metric.start()
        return found


@contextmanager
def of_validation() -> Iterator[None]:
    """Says of an error about data that they are those of the validation, not those that are trained with."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError):  # another class may be made of other arguments
            raise
        raise type(error)(f"validation: {error}") from error


def _rows(x: Tree, rows: slice) -> Tree:
    return tree_map(lambda leaf: leaf[rows, ...], x)
