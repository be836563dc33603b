"""What a model is: an object whose attributes are arrays and other models.

    class Scale(Module):
        def __init__(self, features):
            self.factor = Parameter(numpy.ones(features, dtype="float32"))   # trained
            self.calls = Buffer(numpy.zeros((), dtype="int64"))              # kept and saved, not trained

        def forward(self, x):
            return x * self.factor

A declaration says what an array is for: `Parameter` (trained), `Buffer` (state such as running statistics); `freeze`
sets parameters aside. The attribute is then the raw array itself. An array that nobody declared is refused, since it
would silently not be trained. Modules may sit in attributes, lists, tuples and dictionaries; their names follow
PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple, Self

from xpnn.arrays.devices import Device, device_of
from xpnn.arrays.devices import device as find_device
from xpnn.arrays.namespaces import Array, floating_name, is_complex, is_floating, namespace_of
from xpnn.arrays.random import require_seed
from xpnn.nn.declarations import (
    Buffer,
    Parameter,
    is_array,
    is_numpy_scalar,
    refuse_arrays,
    require_floating,
)
from xpnn.nn.loading import Destination, load
from xpnn.nn.summary import Summary, summarize

__all__ = ["Module", "Slot"]


class Slot(NamedTuple):
    """A place where a model holds an array: its name, the module and attribute, and what it is for."""

    name: str
    module: Module
    attribute: str
    kind: str

    @property
    def value(self) -> Array:
        return self.module.__dict__[self.attribute]


class Module:
    """A layer or a model: declared arrays, other modules, and a `forward` that uses them.

    Subclasses declare their arrays in `__init__` (no call of `super().__init__` is needed) and define `forward`. A
    layer that draws its parameters also defines `reset`, for `initialize(seed)`.

    Attributes
    ----------
    training
        Whether the model is in training; `train()` and `eval()` set it.

    Raises
    ------
    TypeError
        If an array is set as an attribute that nobody declared.
    AttributeError
        If an attribute is set inside a differentiated call.

    Examples
    --------
    >>> import numpy
    >>> class Scale(Module):
    ...     def __init__(self, features):
    ...         self.factor = Parameter(numpy.full(features, 2.0))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale(2)(numpy.asarray([1.0, 10.0]))
    array([ 2., 20.])
    """

    training: bool
    _counters: ClassVar[tuple[str, ...]] = ()  # buffers that a loaded state may lack, as PyTorch's does
    _kinds: dict[str, str]
    _children: dict[str, None]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self.__dict__.update(training=True, _kinds={}, _children={})
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output of the model for its inputs; every module defines it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(self, ...), which a Module needs")

    def reset(self, *, seed: int, path: str) -> None:
        """Draw this module's own parameters anew; layers that draw any define it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        self._require_lasting(name)
        value = value.item() if is_numpy_scalar(value) else value  # numpy.float64(2) * x would make float32 float64
        kind = self._kinds.get(name)
        if isinstance(value, Parameter | Buffer):
            kind = "parameter" if isinstance(value, Parameter) else "buffer"
            value = value.value
        elif kind is not None and value is not None:
            self._check_replacement(name, kind, value)
        else:
            kind = None
            refuse_arrays(f"{type(self).__name__}.{name}", name, value)
        self._note(name, kind, value)
        self.__dict__[name] = value

    def _note(self, name: str, kind: str | None, value: Any) -> None:
        """Note what the attribute holds; one that is replaced keeps its place in the order.

        The notes are replaced, never changed: copies that stand in for the module share them.
        """
        child = kind is None and (isinstance(value, list | dict) or _holds_module(value))  # lists may be filled later
        self.__dict__["_kinds"] = _with(self._kinds, name, kind, keep=kind is not None)
        self.__dict__["_children"] = _with(self._children, name, None, keep=child)

    def __delattr__(self, name: str) -> None:
        self._require_lasting(name)
        super().__delattr__(name)
        self._note(name, None, None)

    def _require_lasting(self, name: str) -> None:
        """Raise if this is the copy that stands in for a module inside a differentiated call."""
        if "_stand_in" in self.__dict__:
            raise AttributeError(
                f"cannot set {name} of a {type(self).__name__} inside a differentiated call: the change would be lost. "
                "Declare a Buffer and write into it in place (self.count[...] = ...), or return the value. (A model's "
                "gradients are such a copy too, and are read-only)"
            )

    def _check_replacement(self, name: str, kind: str, value: Any) -> None:
        what = f"{type(self).__name__}.{name}, a {'buffer' if kind == 'buffer' else 'parameter'},"
        if not is_array(value):
            raise TypeError(f"{what} expected an array in its place, got {type(value).__name__}")
        namespace_of(value)
        if value.shape != self.__dict__[name].shape:
            raise ValueError(
                f"{what} expected shape {self.__dict__[name].shape} as before, got {value.shape}: declare another with "
                f"self.{name} = {'Buffer' if kind == 'buffer' else 'Parameter'}(...)"
            )
        if kind != "buffer":
            require_floating(what, value)

    # Walking

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Each module with its path, this one first under ''; a shared one once."""
        seen: set[int] = set()
        for path, module in _walk(self, prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def slots(self, *kinds: str) -> list[Slot]:
        """The places of all arrays of the given kinds ('parameter', 'frozen', 'buffer'; all if none is given)."""
        return [
            Slot(f"{path}.{name}" if path else name, module, name, kind)
            for path, module in self.named_modules()
            for name, kind in module._kinds.items()
            if not kinds or kind in kinds
        ]

    def named_parameters(self) -> Iterator[tuple[str, Array]]:
        """Each trained array with its name, in order; a shared one once."""
        seen: set[int] = set()
        for slot in self.slots("parameter"):
            if id(slot.value) not in seen:
                seen.add(id(slot.value))
                yield slot.name, slot.value

    def parameters(self) -> list[Array]:
        """The trained arrays, in order; a shared one once."""
        return [value for _, value in self.named_parameters()]

    def tree_flatten(self) -> tuple[list[Array], Callable[[Sequence[Any]], Any]]:
        """The trained arrays, and the function that makes the same model around others (see `arrays.tree`)."""
        leaves: dict[int, Array] = {}
        _collect(self, leaves)

        def rebuild(others: Sequence[Any]) -> Any:
            replaced: Any = _stand_in(self, dict(zip(leaves, others, strict=True)), {})
            return replaced

        return list(leaves.values()), rebuild

    # State

    def initialize(self, seed: int) -> Self:
        """Draw all parameters anew from `seed`: the same seed gives the same bits on every device.

        Each layer draws from streams named by its path, so the layers are independent. Returns the model.

        Raises
        ------
        TypeError, ValueError
            If `seed` is not an integer from 0 to 2^64 - 1.
        """
        require_seed(seed)
        for path, module in self.named_modules():
            module.reset(seed=seed, path=path)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set the model, and all modules in it, to training (dropout on) or, with `mode=False`, to evaluation."""
        for _, module in self.named_modules():
            module.__dict__["training"] = mode
        return self

    def eval(self) -> Self:
        """Set the model to evaluation: dropout off, running statistics used as they are."""
        return self.train(False)

    def freeze(self, *patterns: str) -> Self:
        """Stop training the parameters whose names match `patterns` ('0.*', '*.bias'; all if none is given).

        An optimizer drops what it keeps for them, such as running means, and goes on counting its steps: after
        `unfreeze` a new optimizer starts as PyTorch would (see the notes of `optim.Optimizer`).

        Raises
        ------
        ValueError
            If a pattern matches no parameter.
        """
        return self._switch(patterns or ("*",), "parameter", "frozen")

    def unfreeze(self, *patterns: str) -> Self:
        """Train again the frozen parameters whose names match `patterns` (all if none is given).

        Raises
        ------
        ValueError
            If a pattern matches no parameter.
        """
        return self._switch(patterns or ("*",), "frozen", "parameter")

    def _switch(self, patterns: tuple[str, ...], before: str, after: str) -> Self:
        names = [slot.name for slot in self.slots("parameter", "frozen")]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ValueError(f"no parameter is named {pattern!r}; there are {', '.join(names) or 'none'}")
        slots = self.slots(before)
        chosen = {id(slot.value) for slot in slots if any(fnmatchcase(slot.name, pattern) for pattern in patterns)}
        for slot in slots:
            if id(slot.value) in chosen:  # under whatever name: a shared parameter is one parameter
                slot.module.__dict__["_kinds"] = {**slot.module._kinds, slot.attribute: after}
        return self

    def state_dict(self) -> dict[str, Array]:
        """Copies of all arrays by name: parameters, frozen parameters and buffers, in the names of PyTorch."""
        return {slot.name: namespace_of(slot.value).asarray(slot.value, copy=True) for slot in self.slots()}

    def load_state_dict(self, state: Mapping[str, Array]) -> Self:
        """Write the arrays of `state` (on any device) into the model's own, in place.

        A state of PyTorch's fits a model of the same layers, and leaves the counters of random draws (`calls` of
        `Dropout` and `RReLU`) as they are. Other names have to be changed first where ours differ: those of
        `WeightNorm`, and `pos_weight` and `weight` of losses, here `positive_weight` and `class_weight`.

        An array that is shared has several names (`state_dict` and PyTorch's differ in how many they give): the state
        needs one, and if it has more they must be equal.

        Raises
        ------
        ValueError
            If names are missing or unexpected, shapes or kinds of numbers differ, or two names of one array; the model
            is then unchanged.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict expected a dictionary of arrays by name, got {type(state).__name__}")
        places = {
            f"{path}.{name}" if path else name: Destination(module.__dict__[name], name in module._counters)
            for path, module in _walk(self, "")
            for name in module._kinds
        }
        load(type(self).__name__, places, state)
        return self

    def to(self, device: Device | str | None = None, *, dtype: str | None = None) -> Self:
        """Move all arrays to `device`, floating-point ones to `dtype` ('float32', 'float64'); returns the model.

        `device` is a `Device` or a word for `xpnn.device`, such as 'cuda'.

        Raises
        ------
        TypeError, ValueError, DeviceUnavailable
            If `device` or `dtype` is not among these, or cannot be used; the model is then unchanged.
        """
        chosen = None if device is None else find_device(device)
        dtype = None if dtype is None else floating_name("to", dtype)
        moved: dict[int, Array] = {}
        for slot in self.slots():
            old = slot.value
            if id(old) not in moved:
                target = chosen if chosen is not None else device_of(old)
                xp = target.xp
                real = is_floating(old.dtype) and not is_complex(old.dtype)
                wanted = getattr(xp, dtype) if dtype is not None and real else None
                moved[id(old)] = target.asarray(old, dtype=wanted)
        for slot in self.slots():
            slot.module.__dict__[slot.attribute] = moved[id(slot.value)]
        return self

    # Recording (see `compiler.state`)

    def recordable_places(self) -> list[tuple[dict[str, Any], str, str]]:
        """Where each array of the model is kept: `(container, key, name)`."""
        return [(slot.module.__dict__, slot.attribute, slot.name) for slot in self.slots()]

    def recording_watch(self) -> list[Any]:
        """The dictionaries and lists that a recorded step of the model depends on: what its modules hold."""
        modules = [module for _, module in self.named_modules()]
        notes = {
            id(note) for module in modules for note in (module._kinds, module._children)
        }  # replaced, never changed
        return [part for module in modules for part in _containers(module.__dict__) if id(part) not in notes]

    def recording_swapped(self) -> None:
        """The arrays were replaced for a time; nothing else refers to them."""

    # Showing

    def summary(self, *inputs: Any) -> Summary:
        """What the model does to these inputs, as a table: layers, output shapes, parameters, multiply-adds.

        A copy of the model, in evaluation, is called with them. `print` shows the result; its `rows`, `parameters` and
        `multiply_adds` are there to compute with.

        Examples
        --------
        >>> import numpy
        >>> from xpnn import nn
        >>> nn.Sequential(nn.Linear(3, 2), nn.ReLU()).summary(numpy.zeros((4, 3), dtype="float32"))
        name  layer         output shape  parameters  multiply-adds
        ----  ------------  ------------  ----------  -------------
              Sequential    (4, 2)
        0     Linear(3, 2)  (4, 2)                 8             24
        1     ReLU()        (4, 2)
        <BLANKLINE>
        8 parameters, 32 bytes with buffers; 24 multiply-adds for this input
        """
        return summarize(self, *inputs)

    def multiply_adds(self, output: Any, *inputs: Any) -> int:
        """How many products `forward` adds up for these inputs, in `summary`: layers of weighted sums define it."""
        return 0

    def __repr__(self) -> str:
        lines = [f"({name}): {part!r}".replace("\n", "\n  ") for name, part in _parts(self)]
        inside = self.describe() + "".join(f"\n  {line}" for line in lines) + ("\n" if lines else "")
        return f"{type(self).__name__}({inside})"

    def describe(self) -> str:
        """The arguments to show in `repr`; layers that have any define it."""
        return ""


def _with(notes: dict[str, Any], name: str, note: Any, *, keep: bool) -> dict[str, Any]:
    """A copy of the notes with one more or, unless it is to be kept, without it."""
    if keep:
        return {**notes, name: note}
    return {other: value for other, value in notes.items() if other != name} if name in notes else notes


def _containers(value: Any) -> Iterator[Any]:
    """A dictionary or list, and all inside it."""
    if isinstance(value, list | dict):
        yield value
    if isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _containers(part)


def _holds_module(value: Any) -> bool:
    if isinstance(value, Module):
        return True
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(_holds_module(part) for part in parts)


def _parts(module: Module) -> Iterator[tuple[str, Module]]:
    """The modules directly inside `module`, with their names."""
    for name in module._children:
        yield from _inside(module.__dict__[name], name)


def _inside(value: Any, path: str) -> Iterator[tuple[str, Module]]:
    if isinstance(value, Module):
        yield path, value
    elif isinstance(value, list | tuple | dict):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in pairs:
            yield from _inside(part, f"{path}.{key}")


def _walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
    yield path, module
    for name, part in _parts(module):
        yield from _walk(part, f"{path}.{name}" if path else name)


def _collect(value: Any, leaves: dict[int, Array]) -> None:
    """Gather the trained arrays by identity, in order."""
    if isinstance(value, Module):
        own = value.__dict__
        for name, kind in value._kinds.items():
            if kind == "parameter":
                leaves[id(own[name])] = own[name]
        for name in value._children:
            _collect(own[name], leaves)
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            _collect(part, leaves)


def _stand_in(value: Any, replaced: dict[int, Any], made: dict[int, Module]) -> Any:
    """A copy of the modules in `value` in which trained arrays are `replaced`; everything else is shared."""
    if isinstance(value, Module):
        if not value._kinds and not value._children:
            return value
        if id(value) not in made:
            made[id(value)] = copy = object.__new__(type(value))
            own = copy.__dict__
            own.update(value.__dict__)
            own["_stand_in"] = True
            for name, kind in value._kinds.items():
                if kind == "parameter":
                    own[name] = replaced[id(own[name])]
            for name in value._children:
                own[name] = _stand_in(own[name], replaced, made)
        return made[id(value)]
    if not _holds_module(value):
        return value
    if isinstance(value, dict):
        return {key: _stand_in(part, replaced, made) for key, part in value.items()}
    parts = [_stand_in(part, replaced, made) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
