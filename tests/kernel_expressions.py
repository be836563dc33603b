"""A function in which every expression stands that a generated kernel can have, and its calls, each as a kernel."""

import warnings

import numpy

import xpnn
from xpnn.compiler.cuda_kernels import Run, is_elementwise

SPECIAL = numpy.asarray([numpy.nan, numpy.inf, -numpy.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.7, 1e30, 1e-30, -88.0])
INTEGERS = numpy.asarray([0, 1, -1, 2, 7, -5, 100, 3, 4, 5, 6, 8, 9])
ONE = "negative positive square abs exp expm1 log log1p log2 log10 sqrt floor ceil trunc sin cos tan".split()
ONE += "sinh cosh tanh asin acos atan asinh acosh atanh isnan isinf isfinite reciprocal sign".split()
TWO = (
    "add subtract multiply divide maximum minimum pow atan2 hypot copysign logaddexp greater greater_equal less".split()
)
TWO += "less_equal equal not_equal".split()
OF_INTEGERS = "add subtract multiply divide maximum minimum bitwise_and bitwise_or bitwise_xor".split()
OF_INTEGERS += "greater greater_equal less less_equal equal not_equal".split()
OF_BOOLS = "logical_and logical_or bitwise_and bitwise_or bitwise_xor equal".split()


def program_of(step, *given, state=()):
    """The recorded calls, none left out."""
    fast = xpnn.compile(step, state=state, rewriting=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numbers that are not defined are asked for
        for _ in range(2):
            fast(*given)
    return fast.plan().program


def everything(x, y, i, b):
    """Every expression of floating-point numbers `x` and `y`, integers `i` and truth values `b`."""
    xp = xpnn.namespace_of(x)
    found = [getattr(xp, name)(x) for name in ONE]
    found += [getattr(xp, name)(x, y) for name in TWO]
    found += [getattr(xp, name)(i, i[::-1]) for name in OF_INTEGERS]
    found += [xp.abs(i), xp.square(i), -i, +i, i * i + 3, i < 4]
    found += [getattr(xp, name)(b, x > 0) for name in OF_BOOLS] + [xp.logical_not(b)]
    found += [xp.where(b, x, y), xp.where(b, x, 0.5), xp.where(b, i, 7)]
    found += [xp.astype(i, x.dtype), xp.astype(i, xp.bool), xp.astype(b, x.dtype), xp.astype(b, xp.int64)]
    found += [x**2, x**2.0, x**0.5, x**-1.0, x**3, xp.pow(x, 1.5), 1.5 - x, 1e-8 + x, x > 1, x * 3]
    return found


def arguments(dtype, of_integers="int64"):
    """What `everything` takes, with these two dtypes."""
    x = SPECIAL.astype(dtype)
    return x, x[::-1].copy(), INTEGERS.astype(of_integers), INTEGERS % 2 == 0


def single_runs(program):
    """Each call that a kernel can be generated for, with its run of one."""
    for call in program.calls:
        if is_elementwise(call, program):
            shape = program.values[call.results[0]].shape
            yield call, Run(shape, [call], list(dict.fromkeys(program.reads(call))), list(call.results))
