"""When two arrays are equal, and what becomes of a case."""

from collections import Counter
from dataclasses import dataclass

import numpy

from parity.names import DIFFERENT, LeftOut


@dataclass
class Result:
    """A case: its table, its subject (a module or optimizer of PyTorch), and 'passed', 'failed' or 'left out'."""

    table: str
    subject: str
    name: str
    outcome: str
    reason: str = ""


def close(what, found, expected):
    """Raise AssertionError unless equal to 1e-9, relative to each number or to 1e-3 of the largest.

    Sums cancel: a number near 0 among others near 1 is as wrong as those.
    """
    found, expected = numpy.asarray(found), numpy.asarray(expected)
    if found.shape != expected.shape:
        raise AssertionError(f"{what} has shape {found.shape}, expected {expected.shape}")
    largest = numpy.max(numpy.abs(expected[numpy.isfinite(expected)]), initial=0)
    numpy.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * largest, err_msg=what)


def judged(table, subject, name, check, *args):
    """The result of `check(*args)`."""
    for beginning, reason in DIFFERENT.items():
        if name.startswith(beginning):
            return Result(table, subject, name, "left out", reason)
    try:
        with numpy.errstate(all="ignore"):
            check(*args)
    except LeftOut as reason:
        return Result(table, subject, name, "left out", str(reason))
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return Result(table, subject, name, "failed", f"{type(error).__name__}: {' '.join(lines)[:300]}")
    return Result(table, subject, name, "passed")


def counts(results):
    """How many of each outcome."""
    return Counter(result.outcome for result in results)
