"""What a row of the common table is, and numbers to fill rows with."""

from dataclasses import dataclass

import numpy

from xpnn.arrays.namespaces import namespace_of

RNG = numpy.random.default_rng(20)
ROWS = []


def normal(*shape):
    """Numbers away from 0, where kinks are."""
    x = RNG.standard_normal(shape)
    return x + 0.1 * numpy.sign(x)


def positive(*shape):
    return RNG.uniform(0.5, 2.0, shape)


def inside(*shape):
    return RNG.uniform(-0.9, 0.9, shape)


def phasor(*shape):
    return normal(*shape) + 1j * normal(*shape)


def std(name, **options):
    """A function of the standard, found from its arguments."""
    path = name.split(".")

    def function(*args):
        found = namespace_of(*args)
        for part in path:
            found = getattr(found, part)
        return found(*args, **options)

    return function


@dataclass
class Row:
    name: str
    function: object
    args: tuple
    options: dict


def row(name, function, *args, **options):
    ROWS.append(Row(name, function, args, options))
