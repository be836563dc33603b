"""Whether a replay did what the plain step does, where bits alone do not tell.

What a step leaves behind is judged by how far it moved: Adam moves each number by a thousandth, so a parameter that was
not updated at all is near the right one. How far it should have moved is known from several plain runs from the same
state: of the same calls, which on a GPU may differ where sums are taken in the order in which threads arrive, or of
arguments changed in the last digits. Where these runs do not agree among themselves (the sign of a gradient that is
rounding alone, which Adam makes a whole step of), nothing but the length of the way is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

__all__ = ["fault"]

TOLERANCE = 0.01  # of the largest change in an array: more than sums in another order make, less than any mistake
SPREADS = 8  # with `exact`, this many times what plain runs are apart
UNSURE = 10  # how much shorter or longer the way may be where rounding alone decides, as of squares of such gradients
STRAY = 0.02  # the share of numbers that may be further off: a sign that rounding decides, in this replay only


def fault(found: Any, runs: Sequence[Any], before: Any = None, *, exact: bool) -> str:
    """What is wrong with an array that a replay left; '' if nothing is.

    `runs` are what plain runs left there, `before` is what was there (zeros for a result). With `exact` all bits must
    be those of the plain runs, if these agree with one another.

    Examples
    --------
    >>> before = numpy.ones(3)
    >>> fault(before - 0.001, [before - 0.001, before - 0.001], before, exact=False)
    ''
    >>> fault(before, [before - 0.001, before - 0.001], before, exact=False)
    'its numbers were off by 1.0e-03, which should have moved by 1.0e-03'
    """
    wanted = runs[0]
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"it gave shape {found.shape} and {found.dtype} instead of {wanted.shape} and {wanted.dtype}"
    if not found.size:
        return ""
    wavers = any(run.tobytes() != wanted.tobytes() for run in runs[1:])
    floating = wanted.dtype.kind in "fc"
    if floating and not numpy.isfinite(wanted).any():
        return "it cannot be judged by numbers that are all NaN or infinite"
    if found.tobytes() == wanted.tobytes():
        return ""
    if exact and not wavers:
        return f"its numbers were off by {_largest(found, wanted):.1e} where all bits should be equal"
    if not floating:
        return _of_whole_numbers(found, runs)
    if not _same_infinities(found, wanted):
        return "NaN or infinity was not where it should be"
    return _of_changes(found, runs, numpy.zeros_like(wanted) if before is None else before, exact)


def _largest(found: Any, wanted: Any) -> float:
    if wanted.dtype.kind not in "fc":
        return float(numpy.abs(found.astype("float64") - wanted.astype("float64")).max())
    finite = numpy.isfinite(found) & numpy.isfinite(wanted)
    return float(numpy.abs(_wide(found, finite) - _wide(wanted, finite)).max())


def _wide(x: Any, finite: Any) -> Any:
    """In double precision, with zeros where nothing is to be compared."""
    return numpy.where(finite, x, 0).astype(numpy.result_type(x.dtype, "float64"))


def _of_whole_numbers(found: Any, runs: Sequence[Any]) -> str:
    """Of counts, signs and places of the largest: equal, but for about as many as differ between plain runs."""
    unsure = max((numpy.mean(run != runs[0]) for run in runs[1:]), default=0.0)
    wrong = float(numpy.mean(found != runs[0]))
    return "" if wrong <= 2 * unsure else f"{wrong:.1%} of its whole numbers were others"


def _same_infinities(found: Any, wanted: Any) -> bool:
    if wanted.dtype.kind == "c":
        return _same_infinities(found.real, wanted.real) and _same_infinities(found.imag, wanted.imag)
    tests = (numpy.isnan, numpy.isposinf, numpy.isneginf)
    return all(numpy.array_equal(test(found), test(wanted)) for test in tests)


def _of_changes(found: Any, runs: Sequence[Any], before: Any, exact: bool) -> str:
    """Of floating-point numbers: the way from `before`, against that of the plain runs."""
    finite = numpy.isfinite(before) & numpy.isfinite(found)
    for run in runs:
        finite &= numpy.isfinite(run)
    start = _wide(before, finite)
    ways = [_wide(run, finite) - start for run in runs]
    way, wanted = _wide(found, finite) - start, ways[0]
    rounding = 2 * float(numpy.finfo(found.dtype).eps) * numpy.maximum(numpy.abs(start), numpy.abs(start + wanted))
    near = TOLERANCE * float(numpy.abs(wanted).max())
    if exact:
        near = min(near, SPREADS * max(float(numpy.abs(other - wanted).max()) for other in ways[1:]))
    allowed = near + rounding
    wrong = float(numpy.mean(numpy.abs(way - wanted) > allowed))
    unsure = max((float(numpy.mean(numpy.abs(other - wanted) > allowed)) for other in ways[1:]), default=0.0)
    if wrong > 2 * unsure + STRAY:
        off = float(numpy.abs(way - wanted).max())
        return f"its numbers were off by {off:.1e}, which should have moved by {numpy.abs(wanted).max():.1e}"
    length, lengths = float(numpy.linalg.norm(way)), [float(numpy.linalg.norm(other)) for other in ways]
    short, long = min(lengths) / UNSURE, max(lengths) * UNSURE
    if unsure <= STRAY:
        short, long = 0.5 * lengths[0], 1.5 * lengths[0]
    slack = float(numpy.linalg.norm(rounding))
    if not short - slack <= length <= long + slack:
        return f"its numbers moved by {length:.1e} instead of {lengths[0]:.1e}"
    return ""
