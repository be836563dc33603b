"""Rows of inverses, determinants, factorizations, norms and Einstein sums.

Vectors of eigenvalues and singular values are known up to a sign or phase, so their rows do not depend on it.
"""

import numpy

from rows.base import normal, phasor, row, std
from xpnn.arrays.namespaces import is_complex, namespace_of
from xpnn.autodiff.rules.decompositions import solve
from xpnn.autodiff.rules.einsum import einsum


def spread_out(*shape):
    """Matrices far from singular."""
    return normal(*shape) + 3 * numpy.eye(*shape[-2:])


def adjoint(x):
    xp = namespace_of(x)
    return xp.matrix_transpose(xp.conj(x) if is_complex(x.dtype) else x)


def hermitian(x):
    return x + adjoint(x)


def definite(x):
    xp = namespace_of(x)
    return xp.matmul(x, adjoint(x)) + xp.linalg.matrix_power(x, 0)


def with_values(vectors, values, others):
    """V diag(sin l) W: with W the adjoint or inverse of V it is the same for all signs and phases."""
    xp = namespace_of(vectors)
    return xp.matmul(vectors * xp.expand_dims(xp.sin(values), axis=-2), others)


def of(name, prepare=lambda x: x, **options):
    return lambda x: getattr(namespace_of(x).linalg, name)(prepare(x), **options)


KINDS = (("", spread_out), ("complex ", lambda *shape: spread_out(*shape) + 1j * normal(*shape)))

# Inverses and determinants
for kind, matrices in KINDS:
    row(f"{kind}inv", std("linalg.inv"), matrices(2, 3, 3))
    row(f"{kind}solve", std("linalg.solve"), matrices(2, 3, 3), matrices(2, 3, 2))
    row(f"{kind}det", std("linalg.det"), matrices(2, 3, 3))
    row(f"{kind}cholesky", of("cholesky", definite), matrices(2, 3, 3))
    row(f"{kind}cholesky, upper", of("cholesky", definite, upper=True), matrices(2, 3, 3))
    row(f"{kind}slogdet", lambda x: namespace_of(x).linalg.slogdet(x).logabsdet, matrices(2, 3, 3))
    row(f"{kind}pinv, tall", std("linalg.pinv"), matrices(2, 4, 3))
    row(f"{kind}pinv, wide", std("linalg.pinv", rtol=1e-3), matrices(2, 3, 4))
row("complex slogdet, phase", lambda x: namespace_of(x).linalg.slogdet(x).sign, phasor(2, 3, 3))
row("solve with a vector", std("linalg.solve"), spread_out(2, 3, 3), normal(3), empty=False)
# not the library's: CuPy's solve takes only stacks of one shape
row("solve with one matrix", solve, spread_out(3, 3), normal(2, 3, 2), empty=False)
row("solve with one right side", solve, spread_out(2, 3, 3), normal(3, 1), empty=False)
row("det of one number", std("linalg.det"), normal(2, 1, 1))
for rank in (0, 1, 2):
    low = normal(2, 3, rank) @ normal(2, rank, 3)
    row(f"det of rank {rank}", std("linalg.det"), low)
row("complex det of rank 1", std("linalg.det"), phasor(2, 3, 1) @ phasor(2, 1, 3))
row("det of equal singular values", std("linalg.det"), numpy.broadcast_to(numpy.eye(3), (2, 3, 3)).copy())


# Factorizations
def sum_of(parts):
    return parts[0] + 2 * parts[1]


for kind, matrices in KINDS:
    for shape in ((2, 3, 3), (2, 4, 3), (2, 3, 5)):
        size = "x".join(map(str, shape[1:]))
        row(f"{kind}qr {size}, Q", lambda x: namespace_of(x).linalg.qr(x).Q, matrices(*shape))
        row(f"{kind}qr {size}, R", lambda x: namespace_of(x).linalg.qr(x).R, matrices(*shape))
    row(f"{kind}qr complete", lambda x: sum_of(namespace_of(x).linalg.qr(x, mode="complete")), matrices(2, 3, 3))


# Eigenvalues and singular values
def eigh_function(x):
    values, vectors = namespace_of(x).linalg.eigh(hermitian(x))
    return with_values(vectors, values, adjoint(vectors))


def eig_function(x):
    xp = namespace_of(x)
    values, vectors = xp.linalg.eig(x)
    return with_values(vectors, values, xp.linalg.inv(vectors))


def lengths_and_angles(x):
    """The absolute values of the elements of eigenvectors, which have length 1."""
    xp = namespace_of(x)
    values, vectors = xp.linalg.eig(x)
    return xp.abs(vectors) * xp.expand_dims(xp.real(values), axis=-2)


def svd_function(x, full_matrices=False):
    xp = namespace_of(x)
    u, s, vh = xp.linalg.svd(x, full_matrices=full_matrices)
    return with_values(u, s, vh)


def projectors(x):
    """What the first columns of U and rows of Vh span."""
    xp = namespace_of(x)
    u, _, vh = xp.linalg.svd(x, full_matrices=False)
    u, vh = u[..., :, :2], vh[..., :2, :]
    left, right = xp.matmul(u, adjoint(u)), xp.matmul(adjoint(vh), vh)
    return xp.concat(
        [xp.reshape(left, (x.shape[0], x.shape[1] ** 2)), xp.reshape(right, (x.shape[0], x.shape[2] ** 2))], axis=1
    )


for kind, matrices in KINDS:
    row(f"{kind}eigh", eigh_function, matrices(2, 3, 3))
    row(f"{kind}eigvalsh", of("eigvalsh", hermitian), matrices(2, 3, 3))
    row(f"{kind}svdvals, square", std("linalg.svdvals"), matrices(2, 3, 3))
    row(f"{kind}svdvals, tall", std("linalg.svdvals"), matrices(2, 4, 3))
    row(f"{kind}svd, full", lambda x: svd_function(x, full_matrices=True), matrices(2, 3, 3))
    for shape in ((2, 3, 3), (2, 4, 3), (2, 3, 5)):
        size = "x".join(map(str, shape[1:]))
        row(f"{kind}svd {size}", svd_function, matrices(*shape))
        row(f"{kind}svd {size}, projectors", projectors, matrices(*shape))
    row(f"{kind}eig", eig_function, matrices(2, 3, 3), tolerance=1e-5)
    row(f"{kind}eig, absolute values", lengths_and_angles, matrices(2, 3, 3), tolerance=1e-5)
    row(f"{kind}eigvals", std("linalg.eigvals"), matrices(2, 3, 3))

# Norms
for ord_ in (2, 1, 0, 3, 2.5, 1.5, 0.5, -1, -2.5, numpy.inf, -numpy.inf):
    for kind, x in (("", normal(3, 4)), ("complex ", phasor(3, 4))):
        row(f"{kind}vector_norm, ord {ord_}", std("linalg.vector_norm", axis=1, ord=ord_), x)
row("vector_norm of all", std("linalg.vector_norm", ord=3), normal(3, 4), empty=False)
row(
    "vector_norm of two axes",
    std("linalg.vector_norm", axis=(0, 2), ord=3, keepdims=True),
    normal(3, 2, 4),
    empty=False,
)
for ord_ in ("fro", "nuc", 1, -1, 2, -2, numpy.inf, -numpy.inf):
    for kind, x in (("", normal(2, 3, 4)), ("complex ", phasor(2, 3, 4))):
        row(f"{kind}matrix_norm, ord {ord_}", std("linalg.matrix_norm", ord=ord_), x)
row("matrix_norm, kept", std("linalg.matrix_norm", ord="nuc", keepdims=True), normal(2, 4, 3))

# Einstein sums
LENGTHS = {"i": 2, "j": 3, "k": 4, "l": 2}
for pattern in (
    "ij,jk->ik",
    "ij->",
    "ii->i",
    "ij,ij->i",
    "i,j,k->kij",
    "ij,jk,kl->il",
    "ijl,jk->lik",
    "iij,j",
    "i,->i",
):
    parts = pattern.split("->")[0].split(",")
    shapes = [tuple(LENGTHS[letter] for letter in part) for part in parts]
    function = lambda *x, p=pattern: einsum(p, *x)  # noqa: E731
    row(
        f"einsum {pattern}",
        function,
        *(normal(*shape) if shape else numpy.asarray(0.7) for shape in shapes),
        empty=False,
    )
row("einsum ...ij,...jk", lambda x, y: einsum("...ij,...jk", x, y), normal(2, 3, 4), normal(2, 4, 2))
row("complex einsum", lambda x, y: einsum("bij,bj->bi", x, y), phasor(2, 3, 4), phasor(2, 4))
