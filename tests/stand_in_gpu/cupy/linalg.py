"""cuSOLVER's functions, and those that make do without."""

import numpy

from cupy._calls import call, function

_OF_CUSOLVER = (
    "cholesky det eig eigh eigvals eigvalsh inv lstsq matrix_rank pinv qr slogdet solve svd tensorinv tensorsolve"
).split()
__all__ = ["LinAlgError", "matrix_power", "norm", *_OF_CUSOLVER]

LinAlgError = numpy.linalg.LinAlgError
for _name in _OF_CUSOLVER:
    globals()[_name] = function(getattr(numpy.linalg, _name), library="cuSOLVER")
matrix_power = function(numpy.linalg.matrix_power, library="cuBLAS")


def norm(x, ord=None, axis=None, keepdims=False):
    if ord in (2, -2, "nuc") and (x.ndim if axis is None else numpy.size(axis)) == 2:
        return function(numpy.linalg.norm, library="cuSOLVER")(x, ord, axis, keepdims)
    return call(numpy.linalg.norm, x, ord, axis, keepdims)
