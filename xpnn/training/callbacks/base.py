"""Callbacks: code of yours at known moments of a training.

    class Bell(Callback):
        def epoch_ends(self, trainer, row):
            print("ding", row["loss"])

    trainer.fit(x, t, epochs=10, callbacks=[Bell()])

| moment | when | how often |
| --- | --- | --- |
| `fit_starts` | data are checked, nothing is trained yet | once per `fit` |
| `epoch_starts` | before the first batch of an epoch, or the next one after a resume | every epoch |
| `report` | model, optimizer and losses were just seen to be finite | every `report_every` steps |
| `epoch_ends` | the epoch is in the history, validation included; True ends the training | every epoch |
| `fit_ends` | the last moment, after errors and interruptions too | once per `fit` |

A plain function `callback(trainer, row)` is one that has `epoch_ends` only. All callbacks are called at each moment, in
the order given, whatever one of them wishes. An error in one ends the training and says which it was; the model is then
as it was at that moment, or, inside an epoch, at the look before. `fit_ends` comes to all of them whatever happened, to
those too whose `fit_starts` did not come about; an error there never hides the one that ended the training.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from xpnn.training.trainer import Trainer

__all__ = ["Callback"]


class Callback:
    """What every callback derives from: all moments, at which it does nothing.

    Attributes
    ----------
    only_looks
        Set it to True in a class that changes neither model nor optimizer: compiled steps then go on without a check.

    Examples
    --------
    >>> class Best(Callback):
    ...     lowest = float("inf")
    ...     def epoch_ends(self, trainer, row):
    ...         self.lowest = min(self.lowest, row["loss"])
    """

    only_looks: ClassVar[bool] = False

    def fit_starts(self, trainer: Trainer) -> None:
        """Nothing is trained yet."""

    def epoch_starts(self, trainer: Trainer) -> None:
        """The next batch is the first of an epoch, or of the rest of one."""

    def report(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        """So many steps were made; `row` has 'epoch', 'batch', 'step', the mean 'loss' of the epoch so far, and the
        training metrics so far.
        """

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """An epoch is over; `row` is its row in the history, to which numbers may be added. True, and nothing else that
        counts as true, ends the training.
        """

    def fit_ends(self, trainer: Trainer) -> None:
        """Training is over, for whatever reason; `trainer.interrupted` says whether an error or a signal ended it."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep of this callback, by name: arrays, numbers, words, lists and dictionaries."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


class Function(Callback):
    """A function `callback(trainer, row)` as a callback."""

    def __init__(self, function: Callable[[Trainer, dict[str, float]], bool | None]) -> None:
        self.function = function

    def epoch_ends(self, trainer: Trainer, row: dict[str, float]) -> bool | None:
        """Call it."""
        return self.function(trainer, row)


class Callbacks:
    """Several callbacks, called one after the other.

    Raises
    ------
    TypeError
        If they are not a list of callbacks and functions.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        known = isinstance(callbacks, Sequence) and not isinstance(callbacks, str)
        if not known or not all(isinstance(one, Callback) or callable(one) for one in callbacks):
            raise TypeError(f"fit expected callbacks to be a list of functions and Callbacks, got {callbacks!r:.60}")
        for one in callbacks:
            if isinstance(one, type):
                raise TypeError(f"fit expected callbacks, got the class {one.__name__}: write {one.__name__}(...)")
        self.given = list(callbacks)
        self.all = [one if isinstance(one, Callback) else Function(one) for one in callbacks]
        self.may_change = not all(one.only_looks for one in self.all)
        """Whether one of them may change model or optimizer."""

    def add(self, *callbacks: Callback) -> None:
        """Add some that only look."""
        self.given += callbacks
        self.all += callbacks

    def tell(self, moment: str, *arguments: Any) -> list[Any]:
        """Call `moment` of each; what they give."""
        given = []
        for callback in self.all:
            with _named(callback, moment):
                given.append(getattr(callback, moment)(*arguments))
        return given

    def end(self, trainer: Trainer, error: BaseException | None = None) -> None:
        """Call `fit_ends` of each, even if one fails. What fails is noted on `error`, which ended the training; without
        one, the first is raised.
        """
        errors = [] if error is None else [error]
        for callback in self.all:
            try:
                with _named(callback, "fit_ends"):
                    callback.fit_ends(trainer)
            except Exception as another:
                errors.append(another)
        for later in errors[1:]:
            notes = " ".join(getattr(later, "__notes__", []))
            errors[0].add_note(f"After that came {type(later).__name__}: {later}. {notes}")
        if error is None and errors:
            raise errors[0]

    def state_dict(self) -> dict[str, Any]:
        """The states of all, by number among those of their class, and class."""
        states = {}
        for name, one in self._by_name().items():
            with _named(one, "state_dict"):
                state = one.state_dict()
            if state:
                states[name] = state
        return states

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        """Each takes the state that the one of its number and class gave; a state that nobody takes is a warning."""
        callbacks = self._by_name()
        for name, state in states.items():
            if name not in callbacks:
                number, kind = name.split(".", 1)
                which = f"{kind} number {int(number) + 1}" if int(number) else f"a {kind}"
                warnings.warn(
                    f"the checkpoint has the state of {which} among the callbacks, this fit has no such callback: what "
                    "it kept is lost",
                    UserWarning,
                    stacklevel=4,
                )
                continue
            with _named(callbacks[name], "load_state_dict"):
                callbacks[name].load_state_dict(state)

    def _by_name(self) -> dict[str, Callback]:
        """Callbacks by names that do not depend on those of other classes around them."""
        met: Counter[str] = Counter()
        named = {}
        for one in self.all:
            kind = type(one).__name__
            named[f"{met[kind]}.{kind}"] = one
            met[kind] += 1
        return named


@contextmanager
def _named(callback: Callback, moment: str) -> Iterator[None]:
    """Adds to an error which callback it comes from."""
    try:
        yield
    except Exception as error:
        one = callback.function if isinstance(callback, Function) else callback
        name = getattr(one, "__qualname__", type(one).__qualname__)
        error.add_note(f"It comes from the callback {name}, in {moment}")
        raise
