"""What the standard calls functions that NumPy calls otherwise, for messages."""

__all__ = ["STANDARD_NAMES"]

STANDARD_NAMES = {
    **{f"arc{name}": f"xp.a{name}" for name in "sin cos tan tan2 sinh cosh tanh".split()},
    **dict.fromkeys("concatenate append r_ c_".split(), "xp.concat"),
    **dict.fromkeys("vstack hstack dstack column_stack".split(), "xp.concat or xp.stack"),
    **dict.fromkeys("dot inner vdot".split(), "xp.matmul, xp.vecdot or xp.tensordot"),
    **dict.fromkeys("absolute fabs".split(), "xp.abs"),
    **dict.fromkeys("power float_power".split(), "xp.pow"),
    "true_divide": "xp.divide",
    "amax": "xp.max",
    "amin": "xp.min",
    "cumsum": "xp.cumulative_sum",
    "cumprod": "xp.cumulative_prod",
    "transpose": "xp.permute_dims or x.T",
    "swapaxes": "xp.moveaxis or xp.permute_dims",
    "ravel": "xp.reshape(x, (-1,))",
    **{name: f"xp.linalg.{name}" for name in "outer trace diagonal cross".split()},
    "norm": "xp.linalg.vector_norm or xp.linalg.matrix_norm",
    "array": "xp.asarray",
    "split": "slices, or xp.unstack",
    "invert": "xp.bitwise_invert",
    "unique": "xp.unique_values",
}
