"""The arrays of a step's state: where they are kept, putting others in their places for a time, and what else a plan
depends on.

An object takes part by a method `recordable_places()`, which gives `(container, key, name)` for each array that it
holds: `container[key]` is the array. Dictionaries and lists of arrays are containers themselves.

A plan holds as long as these containers hold the same objects, and so do the variables that the step reads (see
`variables`). That is looked at before each call, by identity, which costs a fraction of a microsecond a container.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from operator import is_
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.tree import Tree
from xpnn.compiler.aliasing import Memory
from xpnn.compiler.guards import same_objects
from xpnn.compiler.program import Ref
from xpnn.compiler.recorder import Recorder
from xpnn.compiler.refusals import CannotRecord
from xpnn.compiler.traced import Traced, lowered
from xpnn.compiler.variables import Variables, groups_of

__all__ = ["Key", "State"]

LOOKS = 100  # that find nothing new, before looking is made faster: a millisecond, for the first step of its kind
MANY = 2000  # objects, for which it takes 30
_flat, _values = chain.from_iterable, dict.values
Places = list[tuple[Any, Any, str]]


class Key:
    """What a plan depends on: which objects there are, and the numbers and words among them."""

    __slots__ = ("_hash", "_memory", "held", "parts")

    def __init__(self, held: list[tuple[Any, list[Any], list[Any]]]) -> None:
        self.held = held  # containers, names and values; kept, so that identities stay theirs
        self.parts = tuple([(tuple(names), tuple(map(_plainly, values))) for _, names, values in held])
        self._hash = hash(self.parts)
        self._memory: Memory | None = None

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Key and self.parts == other.parts)

    def memory(self, state: State) -> Memory:
        """Where the arrays of the state, and those in variables of the step, lie: found once."""
        if self._memory is None:
            arrays = {id(x): x for x in (*state.arrays(), *self.arrays)}
            self._memory = Memory(list(arrays.values()))
        return self._memory

    def replaced(self) -> frozenset[int]:
        """The arrays, by identity, if one of them is no longer where it was; else none."""
        for container, _, values in self.held:
            arrays = {id(value) for value in values if _is_array(value)}
            if arrays and not arrays.issubset(map(id, _content(container)[1])):
                return frozenset(map(id, self.arrays))
        return frozenset()

    @property
    def arrays(self) -> list[Array]:
        """The arrays in containers and variables."""
        values = [value for _, _, values in self.held for value in values]
        return list(filter(_is_array, values))


class State:
    """The state of a step: models, optimizers, dictionaries and lists of arrays, and the variables of the step."""

    def __init__(self, tree: Tree, step: Any = None) -> None:
        self.tree = tree
        self._variables = Variables(step, tree)
        self._dicts: list[dict[Any, Any]] = []  # what is looked at, by kind
        self._lists: list[Any] = []
        self._keyed: list[dict[Any, Any]] = []
        self._seen: list[Any] = []  # what was in them, and how much in each
        self._sized: list[Any] = []
        self._sizes: list[int] = []
        self._key: Key | None = None
        self._looks = 0  # that found nothing new
        self._same: Callable[[], bool] | None = None  # which looks faster
        self.parts = self._found_parts()

    def _found_parts(self) -> list[Any]:
        found = {id(part): part for part in [*_parts(self.tree), *self._variables.parts()]}
        return list(found.values())

    def places(self) -> Places:
        """Where the arrays are; optimizers whose parameters were replaced bind them first."""
        return [place for part in self.parts for place in part.recordable_places()]

    def known_key(self) -> Key | None:
        """The key, if all containers hold the objects that they held at the last look.

        Else None: who looks anew must know that no other thread is recording, with arrays of its own in the containers.
        """
        if self._same is not None and self._same():
            return self._key
        if (
            self._key is not None
            and [*map(len, self._sized)] == self._sizes
            and all(map(is_, self._look(), self._seen))
        ):
            self._looks += 1
            if self._looks == LOOKS and len(self._seen) < MANY:
                self._same = self._looking_faster()
            return self._key
        return None

    def _looking_faster(self) -> Callable[[], bool]:
        """A function that looks as `_look` does, and at the lengths of what is too long to look through."""
        groups = [("{}.values()" if type(held) is dict else "values({})", held) for held in self._dicts]
        groups += [("{}", held) for held in (*self._lists, *self._keyed)]
        lengthy = self._variables.lengthy()
        sizes = self._sizes[len(self._sizes) - len(lengthy) :]
        return same_objects(groups, self._variables.ways(), self._seen, lengthy, sizes)

    def key(self) -> Key:
        """What a plan depends on, found anew only if some container holds other objects than at the last look."""
        return self.known_key() or self._looked()

    def _look(self) -> Iterator[Any]:
        """All that the containers hold; to compare it takes 25 ns for each object."""
        values = _flat(map(_values, self._dicts))
        variables = self._variables.look()
        if not (self._lists or variables or self._keyed):
            return values
        return chain(values, _flat(self._lists), _flat(self._keyed), variables)

    def _looked(self) -> Key:
        self._variables.find()
        self.parts = self._found_parts()
        watched = [container for part in self.parts for container in part.recording_watch()]
        watched = list({id(container): container for container in [*watched, *self._variables.watched()]}.values())
        self._dicts = [container for container in watched if isinstance(container, dict)]
        self._lists = [container for container in watched if isinstance(container, list)]
        keyed = {id(part.held) for part in self.parts if isinstance(part, _Container)}
        keyed |= {id(container) for container in self._variables.watched()}  # attributes do not change their names
        self._keyed = [container for container in self._dicts if id(container) in keyed]
        lengthy = self._variables.lengthy()
        self._sized = [*self._dicts, *self._lists, *lengthy]
        self._seen, self._sizes = [*self._look()], [*map(len, self._sized)]
        self._looks, self._same = 0, None
        contents = [(container, *_content(container)) for container in [*watched, self._variables]]
        self._key = Key(contents + [(container, ["length"], [len(container)]) for container in lengthy])
        return self._key

    def changes(self, before: Key, after: Key) -> str:
        """What differs between two keys, in words; '' if nothing does."""
        if before == after:
            return ""
        titles = self._titles()
        pairs = {id(c): (names, values) for c, names, values in before.held}
        for container, names, values in after.held:
            title = titles.get(id(container), type(container).__name__)
            old = dict(zip(*pairs[id(container)], strict=True)) if id(container) in pairs else None
            if old is None:
                return f"{title} is new"
            for name, value in zip(names, values, strict=True):
                if name not in old:
                    return f"{title}{_named(name)} is new"
                if _plainly(old[name]) != _plainly(value):
                    return f"{title}{_named(name)}: {_shown(old[name])} -> {_shown(value)}"
            if len(old) > len(names):
                return f"{title}: {len(old)} entries -> {len(names)}"
        return "what the state holds"

    def _titles(self) -> dict[int, str]:
        titles = {id(self._variables): "variable", **self._variables.titles()}
        for part in self.parts:
            kind = type(part).__name__
            if isinstance(part, _Container):
                titles[id(part.held)] = "state"
                continue
            for path, module in part.named_modules() if hasattr(part, "named_modules") else ():
                titles.setdefault(id(vars(module)), f"{kind}.{path}" if path else kind)
                for name, value in vars(module).items():
                    titles.setdefault(id(value), f"{kind}.{path}.{name}" if path else f"{kind}.{name}")
            titles.setdefault(id(vars(part)), kind)
            for n, group in enumerate(groups_of(part)):
                titles.setdefault(id(vars(group)), f"{kind} group {n}")
                titles.setdefault(id(group.options), f"{kind} group {n} options")
        return titles

    def named(self) -> list[tuple[str, Array]]:
        """The arrays with their names, each once."""
        found = {id(container[key]): (name, container[key]) for container, key, name in reversed(self.places())}
        return list(found.values())[::-1]

    def arrays(self) -> list[Array]:
        return [array for _, array in self.named()]

    def reached(self) -> list[tuple[str, Any]]:
        """All that the last look found, with names."""
        held = self.key().held
        found = [(str(name), value) for _, names, values in held for name, value in zip(names, values, strict=True)]
        return [*found, *self._variables.reached()]

    def lacks_optimizer(self) -> bool:
        return not any(groups_of(part) for part in self.parts)

    def saved(self) -> list[tuple[Array, Array]]:
        """Copies, to go back to if a recording fails."""
        return [(array, namespace_of(array).asarray(array, copy=True)) for array in self.arrays()]

    def restore(self, saved: list[tuple[Array, Array]]) -> None:
        for array, copy in saved:
            if getattr(getattr(array, "flags", None), "writeable", True):  # what is not was not written either
                array[...] = copy

    @contextmanager
    def swapped(self, recorder: Recorder) -> Iterator[None]:
        """With arrays that record in the places of the plain ones."""
        places = [(container, key, name, container[key]) for container, key, name in self.places()]
        others = {(id(place[0]), place[1]) for place in places if type(place[3]) is Traced}  # swapped by another state
        places = [place for place in places if type(place[3]) is not Traced]
        traced = {id(array): recorder.given(array, "state", name) for _, _, name, array in places}
        try:
            for container, key, _, array in places:
                container[key] = traced[id(array)]
            self._tell()
            yield
            own = {id(part.held) for part in self.parts if isinstance(part, _Container)}
            _require_all_places(places, traced, own)
            _write_rebound(recorder, places, traced)
            for container, key, _, array in places:
                container[key] = traced[id(array)]
            self._require_same_places(others | {(id(container), key) for container, key, _, _ in places})
        finally:
            for container, key, _, array in places:
                _put(container, key, array)
            self._tell()
            for container, key, _ in self.places():
                if (id(container), key) not in others:  # made by the step
                    container[key] = lowered(container[key])

    def _tell(self) -> None:
        for part in self.parts:
            part.recording_swapped()

    def _require_same_places(self, known: set[tuple[int, Any]]) -> None:
        for container, key, name in self.places():
            if type(container[key]) is Traced and (id(container), key) not in known:
                raise CannotRecord(
                    f"the step added an array to its state, {name}: make it before the first step, and write into it "
                    "(state[...] = value)"
                )


def _is_array(value: Any) -> bool:
    return hasattr(type(value), "dtype") and hasattr(type(value), "shape")


def _require_all_places(places: list[Any], traced: dict[int, Traced], own: set[int]) -> None:
    """Raise if the step replaced an array at one place of the user's dictionaries and lists, and not at another.

    Optimizers, which hold the model's arrays too, find them anew.
    """
    kept, replaced = set(), {}
    for container, key, name, array in places:
        if id(container) not in own or not _has(container, key):
            continue
        if container[key] is traced[id(array)]:
            kept.add(id(array))
        else:
            replaced[id(array)] = name
    if both := kept & replaced.keys():
        raise CannotRecord(
            f"the step replaced {replaced[both.pop()]} of its state, which is also at another place of it: a plan "
            "would change both; write into it (state[...] = value), or keep a copy there"
        )


def _has(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


def _write_rebound(recorder: Recorder, places: list[Any], traced: dict[int, Traced]) -> None:
    """Where the step put another array in a place of the state: write its numbers into the array that was there."""
    rebound: dict[int, tuple[str, Any]] = {}
    for container, key, name, array in places:
        try:
            new = container[key]
        except (KeyError, IndexError):
            raise CannotRecord(f"the step removed {name} from its state, which a plan cannot do") from None
        if new is traced[id(array)]:
            continue
        if getattr(new, "shape", None) != array.shape or getattr(new, "dtype", None) != array.dtype:
            raise CannotRecord(
                f"the step replaced {name} of its state, {array.dtype} of shape {array.shape}, by "
                f"{getattr(new, 'dtype', type(new).__name__)} of shape {getattr(new, 'shape', None)}: a plan keeps "
                "shapes and dtypes"
            )
        if rebound.setdefault(id(array), (name, new))[1] is not new:
            raise CannotRecord(f"the step replaced {name}, which several parts of the state share, by two arrays")
    _copy_given(recorder, {traced[number].number for number in rebound})
    values = [new for _, new in rebound.values()]
    if len(values) > 1:  # one may be what another was
        values = [recorder.call(recorder.xp.asarray, (new,), {"copy": True}, "asarray") for new in values]
    for number, new in zip(rebound, values, strict=True):
        recorder.write(traced[number], ..., new)


def _copy_given(recorder: Recorder, written: set[int]) -> None:
    """Where the step gives an array that it has replaced in its state: give a copy, since it is to be written into."""
    values, outputs = recorder.program.values, recorder.program.outputs
    storages = {values[number].storage for number in written}
    for n, ref in enumerate(outputs):
        if type(ref) is Ref and values[ref.number].storage in storages:
            given = recorder.given(recorder.kept[ref.number], "result")
            outputs[n] = recorder.ref(recorder.call(recorder.xp.asarray, (given,), {"copy": True}, "asarray"))


def _put(container: Any, key: Any, array: Array) -> None:
    if isinstance(container, list) and key >= len(container):
        container.append(array)
    else:
        container[key] = array


def _content(container: Any) -> tuple[list[Any], list[Any]]:
    """The names and values in a container."""
    if isinstance(container, dict):
        return list(container), list(container.values())
    if isinstance(container, list):
        return list(range(len(container))), list(container)
    return container.names(), container.look()


def _plainly(value: Any) -> Any:
    """What tells two values apart in a key: numbers and words by what they are, all else by identity."""
    kind = type(value)
    if kind is float:
        return (kind, repr(value))  # -0.0 is not 0.0, and NaN is itself
    return (kind, value) if kind in (int, str, bool, type(None), bytes) else (kind, id(value))


def _named(name: Any) -> str:
    return f"[{name}]" if isinstance(name, int) else f" {name}"


def _shown(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"an array of shape {value.shape}"
    return (
        f"{value!r:.40}" if isinstance(value, int | float | str | bytes | None) else f"another {type(value).__name__}"
    )


def _parts(tree: Tree) -> Iterator[Any]:
    if hasattr(tree, "recordable_places"):
        yield tree
    elif isinstance(tree, dict | list):
        yield _Container(tree)
        for part in tree.values() if isinstance(tree, dict) else tree:
            if isinstance(part, dict | list | tuple) or hasattr(part, "recordable_places"):
                yield from _parts(part)
    elif isinstance(tree, tuple):
        for part in tree:
            yield from _parts(part)
    else:
        raise TypeError(
            f"compile expected the state as models, optimizers, and dictionaries or lists of arrays, "
            f"got {type(tree).__name__}"
        )


class _Container:
    """A dictionary or list of arrays as a part of the state."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def recordable_places(self) -> Places:
        pairs = self.held.items() if isinstance(self.held, dict) else enumerate(self.held)
        return [(self.held, key, str(key)) for key, array in list(pairs) if hasattr(array, "dtype")]

    def recording_watch(self) -> list[Any]:
        return [self.held]

    def recording_swapped(self) -> None:
        """Nothing else holds these arrays."""
