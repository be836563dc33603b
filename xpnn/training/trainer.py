"""The training loop: epochs of batches, on any device, without a look at a device value inside a step.

    trainer = Trainer(model, cross_entropy, Adam(model), metrics={"accuracy": accuracy})
    trainer.fit(x, t, epochs=20, validation=(x_val, t_val))
    trainer.evaluate(x_test, t_test)
    trainer.predict(x_new)

Data are checked, converted and moved once, at the door. The loss of an epoch is summed up on the device and read at
its end. If it, or a parameter, is then not finite, model and optimizer go back to the epoch's start and the run ends
with an error.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from math import isfinite

from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.devices import device as find_device
from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.random import require_seed
from xpnn.nn.losses.binary import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
)
from xpnn.nn.losses.classes import CrossEntropy, cross_entropy
from xpnn.nn.losses.likelihoods import PoissonNegativeLogLikelihood, poisson_negative_log_likelihood
from xpnn.nn.losses.margins import Hinge, HingeEmbedding, SoftMargin, hinge, hinge_embedding, soft_margin
from xpnn.nn.module import Module
from xpnn.optim.base import Optimizer
from xpnn.optim.lbfgs import LBFGS
from xpnn.training.data import batch_indices, gathered, prepared, prepared_weight, require_whole
from xpnn.training.repeated import Steps

__all__ = ["History", "Trainer"]

Metric = Callable[..., float]
Callback = Callable[["Trainer", dict[str, float]], bool | None]

_OF_SHARES = (binary_cross_entropy, binary_cross_entropy_with_logits)
_LAYERS_OF_SHARES = (BinaryCrossEntropy, BinaryCrossEntropyWithLogits)
_NONE_BELOW_0 = (cross_entropy, poisson_negative_log_likelihood)
_LAYERS_NONE_BELOW_0 = (CrossEntropy, PoissonNegativeLogLikelihood)
_OF_SIGNS, _LAYERS_OF_SIGNS = (hinge, hinge_embedding, soft_margin), (Hinge, HingeEmbedding, SoftMargin)
_log = logging.getLogger("xpnn")


@dataclass
class History:
    """What training reported: a row of numbers per epoch, and where it ran.

    `history["loss"]` is the list over the epochs (None where an epoch has no such number).

    Raises
    ------
    KeyError
        If no epoch has a number of that name.
    """

    device: str = ""
    rows: list[dict[str, float]] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[float | None]:
        if not any(name in row for row in self.rows):
            known = sorted({key for row in self.rows for key in row})
            raise KeyError(f"history has no {name!r}; it has {', '.join(known) or 'no epochs yet'}")
        return [row.get(name) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass
class Trainer:
    """Trains a model.

    Parameters
    ----------
    model
        The model; its floating-point dtype is that of the computation.
    loss
        `loss(y, t)`, or `loss(y, t, sample_weight=w)` where weights are used: a function or a layer of `nn`,
        averaging over items.
    optimizer
        An optimizer made for `model`.
    device
        Where to train: a `Device`, a word for `xpnn.device`, or None for where the model is. The model is moved there.
    seed
        Decides the order of the batches.
    metrics
        Further numbers that `evaluate` gives and `fit` reports of `validation`, by name: functions
        `metric(y, t, sample_weight=...)` of `training.metrics` or your own. The names 'loss', 'epoch' and 'seconds' are
        taken.
    max_norm
        If given, gradients are scaled to this norm at most (`clip_by_global_norm`).
    compile
        Whether steps and predictions that come often are compiled (`xpnn.compile`), which gives the same bits in less
        time: steps after 100 of one shape, or at once where as many lie ahead, predictions after 400. The Python of
        the loss and the layers then no longer runs at each step. What cannot be recorded (a loss that looks at numbers,
        counts its calls, or draws from `random`, `numpy.random` or a generator in an attribute) runs as it is, with one
        `CompileWarning` that says why. Not seen is what decides by the clock, by files, by `os.urandom` or inside
        objects of other libraries: there pass `compile=False`, which turns all this off.

    Attributes
    ----------
    history
        A `History` of all epochs.
    epoch
        The number of epochs trained. To go on with a loaded model and optimizer set it, as it decides the order of
        the batches.
    place
        The `Device` that the model is on.

    Examples
    --------
    >>> import numpy, xpnn
    >>> x = numpy.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = xpnn.nn.Linear(1, 1).initialize(seed=0)
    >>> trainer = Trainer(model, xpnn.nn.squared_error, xpnn.optim.SGD(model, learning_rate=0.5))
    >>> history = trainer.fit(x, 3 * x + 1, epochs=20, batch_size=16)
    >>> trainer.predict(numpy.asarray([[2.0]])).round(2)
    array([[7.]], dtype=float32)
    """

    model: Module
    loss: Callable[..., Array]
    optimizer: Optimizer
    _: KW_ONLY
    device: Device | str | None = None
    seed: int = 0
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    max_norm: float | None = None
    compile: bool = True
    history: History = field(default_factory=History, init=False)
    epoch: int = field(default=0, init=False)
    _made: Steps | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, Module):
            raise TypeError(f"Trainer expected a model (a Module), got {type(self.model).__name__}")
        if isinstance(self.optimizer, LBFGS):
            raise TypeError("Trainer takes no LBFGS, which has a loop of its own: call its step(loss)")
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(
                f"Trainer expected an optimizer, such as Adam(model, ...), got {type(self.optimizer).__name__}"
            )
        if self.optimizer.model is not self.model:
            raise ValueError("Trainer expected an optimizer made for this model: Adam(model, ...)")
        if not callable(self.loss):
            raise TypeError(f"Trainer expected a loss function, got {type(self.loss).__name__}")
        if not isinstance(self.metrics, Mapping) or not all(callable(metric) for metric in self.metrics.values()):
            raise TypeError(f"Trainer expected metrics as {{'name': function}}, got {self.metrics!r:.60}")
        if taken := {"loss", "epoch", "seconds"} & self.metrics.keys():
            raise ValueError(f"Trainer expected other names for metrics than {', '.join(sorted(taken))}")
        require_seed(self.seed)
        if self.max_norm is not None and not self.max_norm > 0:
            raise ValueError(f"Trainer expected max_norm above 0, got {self.max_norm}")
        if self.device is None:
            self.place = device_of(self._first_parameter())
        else:
            self.place = find_device(self.device)
            self.model.to(self.place)
        self.history.device = self.place.describe()

    def fit(
        self,
        x: Array,
        t: Array,
        *,
        epochs: int = 10,
        batch_size: int = 32,
        sample_weight: Array | None = None,
        validation: tuple[Array, ...] | None = None,
        shuffle: bool = True,
        progress: bool | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> History:
        """Train for `epochs` more epochs; gives the history. The model is then in evaluation mode.

        Parameters
        ----------
        x, t
            Inputs and targets, a row per item, NumPy arrays or arrays of the device. Columns of numbers and of
            categories go into one array, which the model takes apart (see `nn.CategoricalEmbedding`).
        epochs
            How often to go through all rows.
        batch_size
            Rows per update; the last batch of an epoch may be smaller.
        sample_weight
            A weight of 0 or more for each row: the loss is the weighted mean.
        validation
            `(x, t)` or `(x, t, sample_weight)` to evaluate after each epoch; its numbers are reported as 'val_...'.
        shuffle
            Whether each epoch takes the rows in another order, decided by the trainer's seed.
        progress
            Whether to show a progress bar (needs tqdm); None shows one on a terminal where tqdm is installed.
        callbacks
            Functions `callback(trainer, row)` called after each epoch; one that gives True ends the training.

        Raises
        ------
        TypeError, ValueError
            If data are not arrays of numbers, are empty, hold NaN or infinity, differ in length, do not fit the model
            or the loss, or hold labels out of range; nothing is then changed.
        FloatingPointError
            If the loss of an epoch, or a parameter after it, is not finite. After this or any other error inside an
            epoch, model and optimizer are as before that epoch.
        MemoryError
            If a batch does not fit into memory; on a GPU it is CuPy's OutOfMemoryError.
        """
        require_whole("epochs", epochs, 0)
        batch_indices(1, batch_size, seed=self.seed)
        if validation is not None and not (isinstance(validation, tuple | list) and len(validation) in (2, 3)):
            length = f" of length {len(validation)}" if hasattr(validation, "__len__") else ""
            given = f"{type(validation).__name__}{length}"
            raise ValueError(f"fit expected validation to be (x, t) or (x, t, sample_weight), got {given}")
        if not isinstance(callbacks, Sequence) or not all(callable(callback) for callback in callbacks):
            raise TypeError(f"fit expected callbacks to be a list of functions, got {callbacks!r:.60}")
        data = self._data(x, t, sample_weight)
        held_out = None if validation is None else self._data(*validation)
        if held_out is not None and self.metrics:
            self._numbers(*held_out)  # what cannot be reported is found before anything is trained
        _log.info("training on %s", self.place.describe())
        self.model.eval()
        self._steps().training.doubt()
        with _progress(epochs, progress) as bar:
            for done in range(epochs):
                left = epochs - done
                row = self._epoch(data, batch_size, shuffle, left, 1 if callbacks else left)
                self.history.rows.append(row)
                if held_out is not None:
                    row |= {f"val_{name}": number for name, number in self._numbers(*held_out).items()}
                bar(row)
                wishes = [callback(self, row) for callback in callbacks]  # all are called, whatever the first says
                if any(wishes):
                    break
                if callbacks:  # they may have changed anything
                    self._steps().training.doubt()
        return self.history

    def evaluate(self, x: Array, t: Array, *, sample_weight: Array | None = None) -> dict[str, float]:
        """The loss and the metrics on other data, by name."""
        return self._numbers(*self._data(x, t, sample_weight))

    def predict(self, x: Array, *, batch_size: int = 1024) -> Array:
        """The model's outputs for `x`, in evaluation mode; arrays of the kind of `x`."""
        require_whole("batch_size", batch_size, 1)
        home = device_of(x)
        if x.shape[:1] == (0,):
            moved = self.place.asarray(x, dtype=self._first_parameter().dtype)
        else:
            moved = prepared("x", x, self.place, self._first_parameter().dtype)
        y = self._outputs(moved, batch_size)
        return y if home == self.place else home.asarray(self.place.to_host(y))

    # One epoch

    def _epoch(
        self, data: tuple[Array, Array, Array | None], batch_size: int, shuffle: bool, *epochs: int
    ) -> dict[str, float]:
        before = self.model.state_dict(), self.optimizer.state_dict()
        start = time.perf_counter()
        try:
            self.model.train()
            loss = self._mean_loss_while_training(data, batch_size, shuffle, *epochs)
            self._require_finite(loss)
        except BaseException as error:  # an interruption too
            self.model.load_state_dict(before[0])
            self.optimizer.load_state_dict(before[1])
            if isinstance(error, MemoryError):  # CuPy's OutOfMemoryError is one
                error.add_note(
                    f"It broke off in epoch {self.epoch + 1} on {self.place.name}: model and optimizer are as before "
                    "that epoch. A smaller batch_size needs less memory"
                )
            rows = data[0].shape[0]
            if isinstance(error, ValueError) and rows % batch_size == 1 and rows > 1:
                error.add_note(
                    f"The last batch of an epoch has 1 of {rows} rows; if that is too few, as for BatchNorm1d, take "
                    f"another batch_size than {batch_size}"
                )
            raise
        finally:
            self.model.eval()
        self.epoch += 1
        return {"epoch": self.epoch, "loss": loss, "seconds": time.perf_counter() - start}

    def _mean_loss_while_training(
        self, data: tuple[Array, Array, Array | None], batch_size: int, shuffle: bool, left: int, undisturbed: int
    ) -> float:
        """Update the model by each batch once; the mean of the losses, read from the device at the end.

        With this one, epochs are `left`, `undisturbed` of them before the next callback: so often will batches of one
        size come.
        """
        arrays = [array for array in data if array is not None]
        step, count = self._steps().training, arrays[0].shape[0]
        indices = batch_indices(count, batch_size, seed=self.seed, epoch=self.epoch, shuffle=shuffle)
        full, total, weight = count // batch_size, None, None
        for batches in gathered(arrays, indices, self.place):
            rows = batches[0][0].shape[0]
            times = full if rows == batch_size else 1
            values = step.each(batches, ahead=left * times, undisturbed=undisturbed * times)
            for value, batch in zip(values, batches, strict=True):
                share = rows if len(batch) == 2 else namespace_of(batch[2]).sum(batch[2])
                total = value * share if total is None else total + value * share
                weight = share if weight is None else weight + share
        return float(total) / float(weight)  # type: ignore[arg-type]  # the one look at the device

    def _require_finite(self, loss: float) -> None:
        """Raise if the loss, or a parameter, is NaN or infinite: the last update shows in the parameters only."""
        xp = self.place.xp
        finite = xp.all(xp.stack([xp.all(xp.isfinite(p)) for p in self.model.parameters()]))
        if isfinite(loss) and bool(finite):
            return
        what = f"the training loss became {loss}" if not isfinite(loss) else "a parameter became NaN or infinite"
        raise FloatingPointError(
            f"{what} in epoch {self.epoch + 1}: model and optimizer are as before that epoch. Try a smaller learning "
            "rate, standardised inputs, or max_norm"
        )

    def _steps(self) -> Steps:
        """The steps of this model, loss and optimizer: made anew when one of these is another."""
        parts = self.model, self.loss, self.optimizer, self.max_norm, self.compile
        if self._made is None or not self._made.are_of(*parts):
            self._made = Steps(*parts)
        return self._made

    # Evaluation

    def _numbers(self, x: Array, t: Array, w: Array | None) -> dict[str, float]:
        y = self._outputs(x, 1024)
        loss = self.loss(y, t) if w is None else self.loss(y, t, sample_weight=w)
        host_y, host_t = self.place.to_host(y), self.place.to_host(t)
        weight = {} if w is None else {"sample_weight": self.place.to_host(w)}
        return {"loss": float(loss)} | {name: metric(host_y, host_t, **weight) for name, metric in self.metrics.items()}

    def _outputs(self, x: Array, batch_size: int) -> Array:
        with _evaluating(self.model):
            starts = range(0, max(1, count := x.shape[0]), batch_size)
            batches, full = [x[n : min(n + batch_size, count), ...] for n in starts], count // batch_size
            parts = self._steps().predicted(batches[:full], batches[full:])
        return parts[0] if len(parts) == 1 else self.place.xp.concat(parts, axis=0)

    # The door

    def _first_parameter(self) -> Array:
        parameters = self.model.parameters() or [slot.value for slot in self.model.slots()]
        if not parameters:
            raise ValueError(f"{type(self.model).__name__} has no parameters")
        return parameters[0]

    def _data(self, x: Array, t: Array, sample_weight: Array | None = None) -> tuple[Array, Array, Array | None]:
        """The data, checked, on the device, in the model's dtype."""
        dtype = self._first_parameter().dtype
        x, t = prepared("x", x, self.place, dtype), prepared("t", t, self.place, dtype)
        if x.shape[0] != t.shape[0]:
            raise ValueError(f"expected as many targets as inputs, got x of shape {x.shape} and t of shape {t.shape}")
        w = None if sample_weight is None else prepared_weight(sample_weight, x.shape[0], self.place, dtype)
        self._try_first_rows(x, t, w)
        return x, t, w

    def _try_first_rows(self, x: Array, t: Array, w: Array | None) -> None:
        """Run model and loss once, without training, so that what does not fit is found before anything changes."""
        first = slice(min(2, x.shape[0]))
        with _tried_with(first.stop, x.shape[0]), _evaluating(self.model):
            y = self.model(x[first, ...])
            labelled = "int" in str(t.dtype) and len(y.shape) == len(t.shape) + 1
            axis, ignored = _of_classes(self.loss)
            if labelled and y.shape[axis] == 1:
                raise ValueError(
                    "expected targets like the one output per row, floating-point of shape (n, 1), got integers"
                )
        if labelled:
            self._check_labels(t, y.shape[axis], ignored)
        with _tried_with(first.stop, x.shape[0]):
            weight = {} if w is None else {"sample_weight": w[first] + 1}
            loss = self.loss(y, t[first, ...], **weight)
        self._check_targets(t)
        if getattr(loss, "shape", None) != ():
            raise ValueError(
                f"expected the loss to give one number, got shape {getattr(loss, 'shape', type(loss).__name__)}"
            )

    def _check_targets(self, t: Array) -> None:
        """Raise if targets of a loss of xpnn's, or of a partial call of one, are numbers that it has no meaning for."""
        loss, xp = getattr(self.loss, "func", self.loss), namespace_of(t)
        if loss in _OF_SIGNS or isinstance(loss, _LAYERS_OF_SIGNS):
            if not bool(xp.all(xp.abs(t) == 1)):
                raise ValueError("expected targets -1 or 1, got others: for labels 0 and 1 write 2 * t - 1")
        elif "int" in str(t.dtype):
            return
        elif loss in _OF_SHARES or isinstance(loss, _LAYERS_OF_SHARES):
            self._check_shares(t)
        elif (loss in _NONE_BELOW_0 or isinstance(loss, _LAYERS_NONE_BELOW_0)) and (least := float(xp.min(t))) < 0:
            raise ValueError(f"expected targets of 0 or more, got {least}")

    def _check_shares(self, t: Array) -> None:
        xp = namespace_of(t)
        least, most = float(xp.min(t)), float(xp.max(t))
        if least < 0 or most > 1:
            raise ValueError(f"expected targets from 0 to 1, got targets from {least} to {most}")

    def _check_labels(self, t: Array, classes: int, ignored: int | None) -> None:
        xp = namespace_of(t)
        if ignored is not None:
            t = t * xp.astype(t != ignored, t.dtype)
        least, most = int(xp.min(t)), int(xp.max(t))
        if least < 0 or most >= classes:
            raise ValueError(
                f"expected labels from 0 to {classes - 1} for {classes} outputs, got labels from {least} to {most}"
            )


def _of_classes(loss: Callable[..., Array]) -> tuple[int, int | None]:
    """Which axis of the outputs counts classes, and the label that means none; a layer or a partial call says so."""
    options = {**getattr(loss, "__dict__", {}), **getattr(loss, "keywords", {})}
    return options.get("axis", -1), options.get("ignore_index")


@contextmanager
def _tried_with(some: int, rows: int) -> Iterator[None]:
    """Adds to an error how many rows it comes from, since it may name their shape."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError):  # another class may be made of other arguments
            raise
        raise type(error)(f"{error} (tried with {some} of {rows} rows)") from error


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """The model in evaluation mode, and every module back to its own mode afterwards."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.__dict__["training"] = mode


@contextmanager
def _progress(epochs: int, wanted: bool | None) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """A function that shows an epoch's numbers on a progress bar, or does nothing."""
    if wanted is None:
        wanted = sys.stderr.isatty() and _has_tqdm()
    if not wanted:
        yield lambda row: None
        return
    if not _has_tqdm():
        raise ModuleNotFoundError("progress=True needs tqdm: pip install 'xpnn[progress]'")
    from tqdm import tqdm

    with tqdm(total=epochs, unit="epoch", file=sys.stderr) as bar:

        def show(row: Mapping[str, float]) -> None:
            bar.set_postfix({k: f"{v:.4g}" for k, v in row.items() if k not in ("epoch", "seconds")}, refresh=False)
            bar.update()

        yield show


def _has_tqdm() -> bool:
    from importlib.util import find_spec

    return find_spec("tqdm") is not None
