"""The arrays of a step's state: where they are kept, and putting others in their places for a time.

An object takes part by a method `recordable_places()`, which gives `(container, key, name)` for each array that it
holds: `container[key]` is the array. Dictionaries and lists of arrays are containers themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.arrays.tree import Tree

__all__ = ["State"]


class State:
    """The state of a step."""

    def __init__(self, tree: Tree) -> None:
        self.parts = list(_parts(tree))
        self._watched: list[tuple[Any, list[int], Any]] = []
        self._key: Any = None

    def _places(self) -> list[tuple[Any, Any, str]]:
        return [place for part in self.parts for place in part.recordable_places()]

    def key(self) -> Any:
        """What a plan depends on: which arrays there are, and the options and modes of those that hold them.

        All that is found anew only when a dictionary or list holds other objects than at the last look.
        """
        for container, ids, _ in self._watched:
            if [*map(id, container.values() if type(container) is dict else container)] != ids:
                break
        else:
            if self._watched:
                return self._key
        watched = [container for part in self.parts for container in part.recording_watch()]
        held = [(c, list(c.values() if isinstance(c, dict) else c)) for c in watched]
        self._watched = [(c, [*map(id, values)], values) for c, values in held]  # kept, so that ids stay theirs
        self._key = tuple([tuple(map(_plainly, values)) for _, values in held])
        return self._key

    def named(self) -> list[tuple[str, Array]]:
        """The arrays with their names, each once."""
        found = {id(container[key]): (name, container[key]) for container, key, name in reversed(self._places())}
        return list(found.values())[::-1]

    def arrays(self) -> list[Array]:
        return [array for _, array in self.named()]

    def saved(self) -> list[tuple[Array, Array]]:
        """Copies, to go back to if a recording fails."""
        return [(array, namespace_of(array).asarray(array, copy=True)) for array in self.arrays()]

    def restore(self, saved: list[tuple[Array, Array]]) -> None:
        for array, copy in saved:
            array[...] = copy

    @contextmanager
    def swapped(self, recorder: Any) -> Iterator[None]:
        """With arrays that record in the places of the plain ones."""
        places = [(container, key, container[key]) for container, key, _ in self._places()]
        traced = {id(array): recorder.given(array, "state") for _, _, array in places}
        try:
            for container, key, array in places:
                container[key] = traced[id(array)]
            for part in self.parts:
                part.recording_swapped()
            yield
        finally:
            for container, key, array in places:
                container[key] = array
            for part in self.parts:
                part.recording_swapped()


def _plainly(value: Any) -> Any:
    """What tells two values apart in a key: numbers and words by what they are, all else by identity."""
    return (type(value), value) if isinstance(value, bool | int | float | str) else id(value)


def _parts(tree: Tree) -> Iterator[Any]:
    if hasattr(tree, "recordable_places"):
        yield tree
    elif isinstance(tree, dict | list):
        yield _Container(tree)
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

    def recordable_places(self) -> list[tuple[Any, Any, str]]:
        pairs = self.held.items() if isinstance(self.held, dict) else enumerate(self.held)
        return [(self.held, key, str(key)) for key, array in list(pairs) if hasattr(array, "dtype")]

    def recording_watch(self) -> list[Any]:
        return [self.held]

    def recording_swapped(self) -> None:
        """Nothing else holds these arrays."""
