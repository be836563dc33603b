"""Whether all is as it was at the last call, asked by a function written for that one question.

Before each call it is looked at what containers hold and what the arguments are like. A loop over 70 objects takes
2.5 µs, a tenth of a small step; the same questions one after the other, as source, take 1.4:

    x0, x1, = c0.values()
    if not (x0 is s0 and x1 is s1): return False

The source depends on how many objects there are, not on which, so that it is compiled once for steps of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["same_arguments", "same_objects"]

MADE = 256  # functions that are remembered


def same_objects(
    groups: Sequence[tuple[str, Any]],
    single: Sequence[tuple[str, Any]],
    seen: Sequence[Any],
    lengthy: Sequence[Any] = (),
    lengths: Sequence[int] = (),
) -> Callable[[], bool]:
    """A function that tells whether containers hold the objects in `seen`, in this order and no others.

    False may also mean that it cannot tell.

    Parameters
    ----------
    groups
        What gives several objects: how to ask for all of them (`"{}.values()"`), and which container.
    single
        What gives one: how to ask (`"{}.cell_contents"`), and whom.
    seen
        What they gave at the last look.
    lengthy, lengths
        What is asked for its length only, and what that was.

    Examples
    --------
    >>> held = {"rate": 0.1}
    >>> same = same_objects([("{}.values()", held)], [], list(held.values()))
    >>> held["rate"] = 1 / 10
    >>> same()
    False
    """
    sizes = tuple([(how, len(container)) for how, container in groups])
    make = _maker_of_objects(sizes, tuple([how for how, _ in single]), len(lengthy))
    asked = [container for _, container in (*groups, *single)]
    made: Callable[[], bool] = make(asked, seen, lengthy, lengths)
    return made


@lru_cache(maxsize=MADE)
def _maker_of_objects(groups: tuple[tuple[str, int], ...], single: tuple[str, ...], lengthy: int) -> Callable[..., Any]:
    lines, number, place = [], 0, 0
    for how, size in groups:
        names = range(number, number + size)
        left = "".join(f"x{n}, " for n in names) or "()"
        lines.append(f"{left} = {how.format(f'c{place}')}")
        if size:
            lines.append(f"if not ({' and '.join(f'x{n} is s{n}' for n in names)}): return False")
        number, place = number + size, place + 1
    for how in single:
        lines.append(f"if {how.format(f'c{place}')} is not s{number}: return False")
        number, place = number + 1, place + 1
    lines += [f"if len(t{n}) != l{n}: return False" for n in range(lengthy)]
    body = "".join(f"            {line}\n" for line in lines)
    counts = {"c": place, "s": number, "t": lengthy, "l": lengthy}
    asked, seen, long, lengths = ("".join(f"{a}{n}, " for n in range(count)) or "()" for a, count in counts.items())
    return _made(
        f"def make(asked, seen, lengthy, lengths):\n"
        f"    {asked} = asked\n"
        f"    {seen} = seen\n"
        f"    {long} = lengthy\n"
        f"    {lengths} = lengths\n"
        f"    def same():\n"
        f"        try:\n{body}"
        f"            return True\n"
        f"        except ValueError:\n"  # more or fewer objects than there were, or a variable without a value
        f"            return False\n"
        f"    return same\n"
    )


def same_arguments(kinds: Sequence[tuple[Any, ...]], owners: set[int] | None) -> Callable[..., bool]:
    """A function that tells whether arrays are of the given type, shape, dtype and strides, and surely share no memory,
    with one another or with what the arrays of identities `owners` own (see `aliasing`).
    """
    if owners is None:
        return lambda *args: False
    made: Callable[..., bool] = _maker_of_arguments(len(kinds))([part for kind in kinds for part in kind], owners)
    return made


@lru_cache(maxsize=MADE)
def _maker_of_arguments(count: int) -> Callable[..., Any]:
    parts = "".join(f"k{n}, shape{n}, dtype{n}, strides{n}, " for n in range(count))
    alike = " and ".join(
        f"type(a{n}) is k{n} and a{n}.shape == shape{n} and a{n}.dtype is dtype{n} and a{n}.strides == strides{n}"
        for n in range(count)
    )
    bases = "".join(
        f"        b{n} = a{n}.base\n"
        f"        if b{n} is None:\n"
        f"            b{n} = a{n}\n"
        f"        elif type(b{n}) is not k{n} or b{n}.base is not None:\n"
        f"            return False\n"
        for n in range(count)
    )
    different = [f"b{n} is not b{m}" for n in range(count) for m in range(n)]
    apart = " and ".join([*different, *(f"id(b{n}) not in owners" for n in range(count))])
    return _made(
        f"def make(kinds, owners):\n"
        f"    {parts or '()'} = kinds\n"
        f"    def same({', '.join(f'a{n}' for n in range(count))}):\n"
        f"        if not ({alike or 'True'}):\n"
        f"            return False\n{bases}"
        f"        return {apart or 'True'}\n"
        f"    return same\n"
    )


def _made(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"values": dict.values}
    exec(compile(source, "<xpnn guard>", "exec"), scope)
    made: Callable[..., Any] = scope["make"]
    return made
