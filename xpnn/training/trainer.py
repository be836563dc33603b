"""The trainer: a model, a loss and an optimizer, trained on any device, without a look at a device value inside a step.

    trainer = Trainer(model, cross_entropy, Adam(model), metrics={"accuracy": accuracy})
    trainer.fit(x, t, epochs=20, validation=(x_val, t_val), callbacks=[EarlyStopping()])
    trainer.evaluate(x_test, t_test)
    trainer.predict(x_new)

Data are checked, converted and moved once, at the door (`training.door`). The loop itself is in `training.loop`: losses
are summed up on the device, and now and then it looks whether all is finite. What a training is made of, down to the
position in the epoch, is in `state_dict`; from it a training goes on bit for bit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.devices import device as find_device
from xpnn.arrays.namespaces import Array
from xpnn.arrays.tree import Tree, flatten, tree_map
from xpnn.nn.module import Module
from xpnn.optim.averaging import WeightAverage
from xpnn.optim.base import Optimizer
from xpnn.training.callbacks.base import Callback, Callbacks
from xpnn.training.callbacks.progress import progress_bar
from xpnn.training.data import require_whole
from xpnn.training.door import checked_data, checked_inputs, class_weights, try_first_rows
from xpnn.training.evaluation import Evaluation, of_validation
from xpnn.training.feeds import Feed, Held, Streamed
from xpnn.training.history import History
from xpnn.training.interruption import SIGNALS
from xpnn.training.loop import Goal, Loop
from xpnn.training.metrics.accumulating import accumulated
from xpnn.training.metrics.base import Metric
from xpnn.training.options import check_bounds, check_score, check_switches, check_trainer, is_loader, refuse_loader
from xpnn.training.running import Running
from xpnn.training.snapshot import Snapshot
from xpnn.training.sources import as_arrays
from xpnn.training.state import POSITION, Loaded, check, load_state, require_same_data, state_of
from xpnn.training.steps import Layout, Steps

if TYPE_CHECKING:
    from xpnn.training.checkpoints import Checkpoints

__all__ = ["Trainer"]

_log = logging.getLogger("xpnn")


@dataclass
class Trainer:
    """Trains a model.

    Parameters
    ----------
    model
        The model; its floating-point dtype is that of the computation. It is called `model(x)`; where `x` is a tuple or
        list of arrays `model(*x)`, of a dictionary `model(**x)`.
    loss
        `loss(y, t)`, or `loss(y, t, sample_weight=w)` where weights are used: a function or a layer of `nn`,
        averaging over items. None if `step_function` is given and nothing is to be evaluated but metrics.
    optimizer
        An optimizer made for `model`.
    device
        Where to train: a `Device`, a word for `xpnn.device`, or None for where the model is. The model is moved there.
    seed
        Decides the order of the batches.
    metrics
        Further numbers that `evaluate` gives and `fit` reports of `validation`, by name: classes of `training.metrics`,
        which add up on the device, or functions `metric(y, t, sample_weight=...)`, those of `training.metrics` or your
        own. The names 'loss', 'epoch', 'batch', 'step', 'seconds', 'skipped' and 'learning_rate' are taken.
    training_metrics
        Whether `fit` reports the metrics of the training rows as well, of the outputs that each step computed anyway:
        they are then of a model that changes during the epoch, in training mode.
    max_norm
        If given, gradients are scaled to this norm at most (`clip_by_global_norm`).
    accumulate
        How many batches make one update: their gradients are added up, weighted by items, so that the update is that of
        one batch of them all, in the memory of one.
    average
        The decay of an exponential moving average of the weights, or a `WeightAverage` of the model. `evaluate`,
        `predict` and validation then use the averaged weights (`trainer.evaluated`).
    nonfinite
        What to do about NaN and infinity in losses, parameters, buffers and optimizer's state (`training.nonfinite`):
        'raise' an error that names step, layer and row, 'skip' the steps that lead to them, or 'ignore' them.
    step_function
        A step of your own, `step_function(model, optimizer, x, t)` or `(model, optimizer, x, t, w)` with weights, which
        updates the model and gives the loss, an array of shape (). What it changes beside model and optimizer has to be
        in `also`; `max_norm` and `accumulate` are then its own business.
    also
        Further things that `step_function` changes and that have `state_dict` and `load_state_dict`, by name, such as
        the optimizer of a second model: `{"critic": critic, "critic optimizer": Adam(critic)}`.
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
    epoch, batch, step
        Whole epochs trained, batches of the epoch that was begun, and updates made. To go on with a model and an
        optimizer that were loaded by hand set `epoch`, as it decides the order of the batches.
    place
        The `Device` that the model is on.
    evaluated
        The model that is evaluated: the one with averaged weights if there is one.
    goal
        When `fit` ends: the `epoch` and `step` (or None), of which callbacks may show how far it is, and `epoch_steps`,
        the updates of an epoch, where that is known.
    reports
        The names of the numbers that `fit` reports of each epoch.

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
    loss: Callable[..., Array] | None
    optimizer: Optimizer
    _: KW_ONLY
    device: Device | str | None = None
    seed: int = 0
    metrics: Mapping[str, Metric | Callable[..., Any]] = field(default_factory=dict)
    training_metrics: bool = False
    max_norm: float | None = None
    accumulate: int = 1
    average: WeightAverage | float | None = None
    nonfinite: Literal["raise", "skip", "ignore"] = "raise"
    step_function: Callable[..., Array] | None = None
    also: Mapping[str, Any] = field(default_factory=dict)
    compile: bool = True
    history: History = field(default_factory=History, init=False)
    epoch: int = field(default=0, init=False)
    batch: int = field(default=0, init=False)
    step: int = field(default=0, init=False)
    seconds_in_epoch: float = field(default=0.0, init=False, repr=False)
    skipped_in_epoch: int = field(default=0, init=False, repr=False)
    interrupted: bool = field(default=False, init=False, repr=False)
    resumed: bool = field(default=False, init=False, repr=False)
    ended: bool = field(default=False, init=False, repr=False)
    goal: Goal = field(default_factory=lambda: Goal(None, None, None), init=False, repr=False)
    reports: list[str] = field(default_factory=list, init=False, repr=False)
    _signals: tuple[int, ...] = field(default=SIGNALS, init=False, repr=False, compare=False)
    _made: Steps | None = field(default=None, init=False, repr=False, compare=False)
    _layout: Layout | None = field(default=None, init=False, repr=False, compare=False)
    _running: Running | None = field(default=None, init=False, repr=False, compare=False)
    _feed: Feed | None = field(default=None, init=False, repr=False, compare=False)
    _callbacks: Callbacks | None = field(default=None, init=False, repr=False, compare=False)
    _takes_none: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    _loaded: Loaded | None = field(default=None, init=False, repr=False, compare=False)
    _begun: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None, "_layout": None, "_takes_none": []}  # found anew when needed

    def __post_init__(self) -> None:
        check_trainer(self)
        if isinstance(self.average, float | int):
            self.average = WeightAverage(self.model, decay=self.average)
        if self.device is None:
            self.place = device_of(self._first_parameter())
        else:
            self.place = find_device(self.device)
            self.model.to(self.place)
            if self.average is not None:
                self.average.model.to(self.place)
        self.history.device = self.place.describe()

    def fit(
        self,
        x: Any,
        t: Any = None,
        *,
        epochs: int | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        validation: Any = None,
        shuffle: bool | None = None,
        progress: bool | None = None,
        callbacks: Sequence[Callback | Callable[[Trainer, dict[str, float]], bool | None]] = (),
        report_every: int = 100,
        checkpoint: Checkpoints | str | None = None,
        resume: bool = False,
    ) -> History:
        """Train for `epochs` more epochs, or until another bound is reached; gives the history. The model is then in
        evaluation mode.

        Parameters
        ----------
        x, t
            Inputs and targets, a row per item: arrays of NumPy or of the device, tables of pandas, polars or PyArrow
            with numbers only, lists; or tuples, lists or dictionaries of arrays, for a model of several inputs or
            outputs. Or a `Loader` as `x` alone, which brings its own batch size, order and weights.
        epochs
            How often to go through all rows, 10 by default. An epoch that was begun before counts as one of them.
        steps
            How many updates at most; without `epochs` they are the only bound.
        seconds
            How long at most, checked between steps.
        batch_size
            Rows per batch, 32 by default; the last batch of an epoch may be smaller.
        sample_weight
            A weight of 0 or more for each row: the loss is the weighted mean.
        class_weight
            A weight for each class, for integer labels `t`: a mapping or a list by label, or 'balanced' for weights
            that make all classes count the same, n / (classes * rows of the class). They multiply `sample_weight`.
        validation
            `(x, t)` or `(x, t, sample_weight)` to evaluate after each epoch, or a `Loader`; its numbers are reported as
            'val_...'.
        shuffle
            Whether each epoch takes the rows in another order (the default), decided by the trainer's seed.
        progress
            Whether to show a progress bar (needs tqdm); None shows one on a terminal where tqdm is installed.
        callbacks
            `Callback`s, or functions `callback(trainer, row)` called after each epoch; one that gives True ends the
            training.
        report_every
            After how many steps within an epoch it looks whether all is finite, keeps a copy of the state, and calls
            the callbacks' `report`.
        checkpoint
            Where to save while training: a `Checkpoints` or the name of its folder.
        resume
            Whether to go on from the newest whole checkpoint there, if there is one; `epochs`, `steps` are then counted
            from where that training started, so that the same call, made again and again, ends in the same place. A
            training that a callback ended has ended.

        Raises
        ------
        TypeError, ValueError
            If data are not arrays of numbers, are empty, hold NaN or infinity, differ in length, do not fit the model
            or the loss, or hold labels out of range, or a checkpoint is of another training; nothing is then changed.
        FloatingPointError
            If something is not finite and `nonfinite` is 'raise'. After this or any other error inside an epoch, model,
            optimizer and position are as at the last look, at most `report_every` steps before.
        MemoryError
            If a batch does not fit into memory; on a GPU it is CuPy's OutOfMemoryError.
        KeyboardInterrupt, SystemExit
            After Ctrl-C or SIGTERM, at the end of a step and after saving a checkpoint.
        """
        check_bounds(epochs, steps, seconds, batch_size, report_every)
        check_switches(shuffle=shuffle, resume=resume, progress=progress)
        is_loader("fit", x, batch_size=batch_size, shuffle=shuffle)
        told = Callbacks(callbacks)
        checkpoints = _checkpoints(checkpoint, resume)
        feed, first, template = self._feed_of(x, t, sample_weight, class_weight, batch_size, shuffle)
        held_out = None if validation is None else self._held_out(validation)
        if held_out is not None and self.metrics:
            held_out()  # what cannot be reported is found before anything is trained
        self.reports = self._reported(held_out is not None)
        check_score(checkpoints, self, told)
        bar = progress_bar(progress)
        self._begin(feed, first, template, told, checkpoints, resume=resume)
        self.goal = self._goal(epochs, steps, seconds, feed)
        if bar is not None:
            told.add(bar)
        _log.info("training on %s", self.place.describe())
        self.model.eval()
        self._steps().training.doubt()
        assert self._running is not None
        loop = Loop(
            self, feed, self.goal, told, running=self._running, accumulate=self.accumulate, report_every=report_every,
            held_out=held_out, checkpoint=checkpoints,
        )  # fmt: skip
        try:
            told.tell("fit_starts", self)
            loop.run()
        except BaseException as error:
            self.interrupted = True
            told.end(self, error)
            raise
        else:
            told.end(self)
        finally:
            self.resumed = self.interrupted = False
        return self.history

    def evaluate(self, x: Any, t: Any = None, *, sample_weight: Any = None, batch_size: int = 1024) -> dict[str, float]:
        """The loss and the metrics on other data, by name; `x` may be a `Loader`."""
        require_whole("batch_size", batch_size, 1)
        if is_loader("evaluate", x, t=t, sample_weight=sample_weight):
            return self._judge().of_loader(x)
        data = self._data(x, t, sample_weight)
        try_first_rows(self.evaluated, self.loss, data, batch_size)
        return self._judge().of_arrays(data, batch_size)

    def predict(self, x: Any, *, batch_size: int = 1024) -> Tree:
        """The model's outputs for `x`, in evaluation mode; arrays of the kind of `x` (NumPy's for tables and lists)."""
        require_whole("batch_size", batch_size, 1)
        refuse_loader("predict", x)
        x = as_arrays(x, "x")
        home = device_of(flatten(x)[0][0])
        model, dtype = self.evaluated, self._first_parameter().dtype
        on_device, self._takes_none = checked_inputs(model, x, self.place, dtype, batch_size, self._takes_none)
        y = self._judge().outputs(on_device, batch_size)
        return y if home == self.place else tree_map(lambda leaf: home.asarray(self.place.to_host(leaf)), y)

    @property
    def evaluated(self) -> Module:
        """The model that is evaluated: the one with averaged weights if there is one."""
        return self.average.model if isinstance(self.average, WeightAverage) else self.model

    def learning_rate(self) -> float:
        """The rate of the next update of parameters that no pattern names; if all are named, of the first group."""
        return self.optimizer.own_rate()

    def take_weights(self, state: Mapping[str, Array]) -> None:
        """Give the model, and its average, the parameters and buffers of `state`, as `model.state_dict()` gave them."""
        self.model.load_state_dict(state)
        if isinstance(self.average, WeightAverage):
            self.average.model.load_state_dict(state)

    def state_dict(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """All that a training is: arrays by name, and the rest as JSON can hold it, for `training.save` and `load`.

        Model, optimizer, averaged weights, position in the epoch, sums of the epoch so far, history, and the states of
        the callbacks of the `fit` that runs.
        """
        return state_of(self)

    def load_state_dict(self, arrays: Mapping[str, Array], metadata: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, on any device; the next `fit` takes up the epoch where it was left.

        Raises
        ------
        ValueError
            If it is the state of another model, optimizer or kind of trainer; nothing is then changed.
        """
        load_state(self, arrays, metadata)

    # Beginning

    def _feed_of(
        self, x: Any, t: Any, sample_weight: Any, class_weight: Any, batch_size: int | None, shuffle: bool | None
    ) -> tuple[Feed, tuple[Tree, ...], Tree]:
        """Where batches come from, a first batch (or all rows), and what the outputs look like."""
        dtype = self._first_parameter().dtype
        if is_loader("fit", x, t=t, sample_weight=sample_weight, class_weight=class_weight):
            streamed = Streamed(x, self.place, dtype)
            first = streamed.first()
            template, limits = try_first_rows(self.model, self.loss, first)
            streamed.limits = limits.for_steps_on(self.place)
            return streamed, first, template
        data = self._data(x, t, sample_weight)
        if class_weight is not None:
            data = class_weights(data, class_weight, self.place, dtype)
        rows, shuffle = batch_size or 32, shuffle is None or bool(shuffle)
        feed = Held(flatten(data)[0], rows, shuffle=shuffle, seed=self.seed, place=self.place)
        return feed, data, try_first_rows(self.model, self.loss, data, rows)[0]

    def _begin(
        self, feed: Feed, first: tuple[Tree, ...], template: Tree, told: Callbacks, checkpoints: Checkpoints | None,
        *, resume: bool,
    ) -> None:  # fmt: skip
        """Take up the training in the newest checkpoint, or the epoch that was left, if it is one of these data."""
        metrics = {name: accumulated(one) for name, one in self.metrics.items()} if self.training_metrics else {}
        running = Running(self.place, metrics)
        now = {**feed.describe(), "accumulate": self.accumulate, "metrics": running.describe()}
        found = checkpoints.start(resume=resume) if checkpoints is not None else None
        if found is not None:
            arrays, metadata, path = found
            try:
                check(self, arrays, metadata)
            except ValueError as error:
                error.add_note(f"It is the state in {path}")
                raise
            require_same_data(metadata, now, f"{path}")
            Loaded(arrays, metadata).take_up(running, (template, *first[1:]))
            self.load_state_dict(arrays, metadata)
            _log.info("resuming from %s: epoch %d, batch %d, step %d", path, self.epoch, self.batch, self.step)
        elif self._loaded is not None:
            require_same_data(self._loaded.metadata, now, "the state that was loaded")
        layout = Layout(first)
        if self._layout is None or not self._layout.is_like(layout):
            self._layout = layout
        left, self._feed, self._callbacks = self._feed, feed, told
        loaded, self._loaded = self._loaded, None
        self.resumed = found is not None
        self._begun = {"epoch": self.epoch, "step": self.step}
        if loaded is not None:
            self._running = running
            loaded.take_up(running, (template, *first[1:]))
            if self.resumed:
                told.load_state_dict(loaded.callbacks())
                self._begun = dict(loaded.metadata["begun"])
        elif not (self.batch and left and feed.goes_on(left) and self._running_is_like(running)):
            self.batch, self.seconds_in_epoch, self.skipped_in_epoch = 0, 0.0, 0
            self._running = running

    def _running_is_like(self, other: Running) -> bool:
        return self._running is not None and self._running.describe() == other.describe()

    def _goal(self, epochs: int | None, steps: int | None, seconds: float | None, feed: Feed) -> Goal:
        if epochs is None and steps is None and seconds is None:
            epochs = 10
        return Goal(
            None if epochs is None else self._begun["epoch"] + int(epochs),
            None if steps is None else self._begun["step"] + int(steps),
            seconds,
            None if feed.epoch_batches is None else -(-feed.epoch_batches // self.accumulate),
        )

    def _reported(self, validated: bool) -> list[str]:
        training = ["epoch", "loss", *(self.metrics if self.training_metrics else ()), "learning_rate", "seconds"]
        judged = [*([] if self.loss is None else ["loss"]), *self.metrics] if validated else []
        return training + [f"val_{name}" for name in judged]

    def _steps(self) -> Steps:
        """The steps of this model, loss and optimizer: made anew when one of these is another."""
        parts = (
            self.model, self.loss, self.optimizer, self.max_norm, self.compile, self.average, self.step_function,
            list(self.also.values()),
        )  # fmt: skip
        if self._made is None or not self._made.are_of(parts, self._layout, self.training_metrics):
            self._made = Steps(parts, self._layout, self.training_metrics)
        return self._made

    # The state, copied and restored while training (see `loop`)

    def _copy(self, old: Snapshot | None = None) -> tuple[Any, ...]:
        """Position and state now; `old` is a snapshot that is not needed any more."""
        position = {name: getattr(self, name) for name in POSITION}
        if old is not None and old.update():
            return position, old
        average = [self.average.model] if isinstance(self.average, WeightAverage) else []
        return position, Snapshot(self.model, self.optimizer, average, list(self.also.values()))

    def _go_back(self, copy: Any) -> None:
        position, snapshot = copy
        snapshot.restore()
        for name, value in position.items():
            setattr(self, name, value)

    def _stateful(self) -> list[Any]:
        average = [self.average.model] if isinstance(self.average, WeightAverage) else []
        return [self.model, self.optimizer, *average, *self.also.values()]

    # Evaluation

    def _held_out(self, validation: Any) -> Callable[[], dict[str, float]]:
        """A function that evaluates, made of data that were checked."""
        if hasattr(validation, "batches"):
            with of_validation():
                first = Streamed(validation, self.place, self._first_parameter().dtype).first()
                try_first_rows(self.evaluated, self.loss, first)
            return of_validation()(lambda: self._judge().of_loader(validation))
        if not (isinstance(validation, tuple | list) and len(validation) in (2, 3)):
            length = f" of length {len(validation)}" if hasattr(validation, "__len__") else ""
            given = f"{type(validation).__name__}{length}"
            raise ValueError(f"fit expected validation to be (x, t) or (x, t, sample_weight), got {given}")
        with of_validation():
            data = self._data(*validation)
            try_first_rows(self.evaluated, self.loss, data, 1024)
        return of_validation()(lambda: self._judge().of_arrays(data, 1024))

    def _judge(self) -> Evaluation:
        return Evaluation(self.evaluated, self.loss, self.metrics, self.place, self._steps().predicted)

    # The door

    def _first_parameter(self) -> Array:
        parameters = self.model.parameters() or [slot.value for slot in self.model.slots()]
        if not parameters:
            raise ValueError(f"{type(self.model).__name__} has no parameters")
        return parameters[0]

    def _data(self, x: Any, t: Any, sample_weight: Any = None) -> tuple[Tree, ...]:
        """The data, checked, on the device, in the model's dtype."""
        if t is None:
            raise TypeError("expected inputs x and targets t, or a Loader alone; got no t")
        given = as_arrays(x, "x"), as_arrays(t, "t"), None if sample_weight is None else as_arrays(sample_weight, "w")
        return checked_data(*given, self.place, self._first_parameter().dtype)


def _checkpoints(given: Checkpoints | str | None, resume: bool) -> Checkpoints | None:
    if given is None:
        if resume:
            raise ValueError("fit expected checkpoint=... to resume from")
        return None
    from xpnn.training.checkpoints import Checkpoints

    return given if isinstance(given, Checkpoints) else Checkpoints(given)
