"""Einstein sums: values against NumPy's, gradients against PyTorch's, errors that repeat the pattern."""

import numpy
import pytest
from elsewhere import on_gpu
from torch_judge import RNG, check

from xpnn import grad
from xpnn.arrays.devices import device_of
from xpnn.arrays.namespaces import namespace_of
from xpnn.arrays.native import to_host
from xpnn.autodiff.namespace import namespace_over
from xpnn.autodiff.rules.einsum import einsum

LENGTHS = dict(zip("abcdijklAZ", (2, 3, 2, 4, 3, 4, 2, 5, 3, 2), strict=True))
PATTERNS = [  # a pattern, and how many axes "..." stands for in each array
    "i->i", "ij->ji", "ij->j", "ij->", "ij", "ba", "ii->i", "ii", "iij->j", "iijj->ij", "iiii->i", "ijij->ji",
    "i,i", "i,i->", "i,i->i", "i,j", "i,j->ji", "ij,j", "ij,jk", "ij,jk->ki", "ij,ij", "ij,ij->i", "ij,ij->ij",
    "aij,ajk->aik", "aij,ajk->ik", "aibj,cjbk->icka", "i,ij,j", "i,j,k->kij", "ij,jk,kl->il", "ij,jk,kl,la->ai",
    "i,i,i->i", "ij,ik,il->jkl", "ii,i->i", "iij,jk", ",i->i", ",->", "->", "ij,kl->", "ijk,jl,k->il", "Ab,bZ",
    " i j , j k -> i k ", "ia,ja->ij", "ai,aj->aij",
]  # fmt: skip
WITH_ELLIPSIS = [
    ("...->...", (2,)), ("...i->...", (2,)), ("...i->i...", (1,)), ("i...", (2,)), ("...", (0,)), ("...ii->...", (1,)),
    ("...ij,...jk", (1, 1)), ("...ij,...jk->...ik", (2, 1)), ("i...,j...->ij...", (1, 2)), ("...i,...i->...", (1, 0)),
    ("...,...", (2, 1)), ("ij,...j->...i", (0, 2)), ("a...b,b...->a...", (1, 1)), ("...i,i,...->...", (1, 0, 2)),
    ("...i,->...i", (1, 0)), ("i...i->...", (2,)),
]  # fmt: skip
SHAPED = [(pattern, (0,) * 9) for pattern in PATTERNS] + WITH_ELLIPSIS


def arrays_for(pattern, depths, make=lambda shape: RNG.standard_normal(shape)):
    found = []
    for part, depth in zip("".join(pattern.split()).split("->")[0].split(","), depths, strict=False):
        before, dots, after = part.partition("...")
        more = (4, 3)[2 - depth :] if dots else ()
        found.append(make((*(LENGTHS[n] for n in before), *more, *(LENGTHS[n] for n in after))))
    return found


def phasors(shape):
    return numpy.asarray(RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape))


@pytest.mark.parametrize(("pattern", "depths"), SHAPED, ids=[pattern for pattern, _ in SHAPED])
def test_values_are_numpys(pattern, depths):
    arrays = arrays_for(pattern, depths)
    found, expected = einsum(pattern, *arrays), numpy.einsum(pattern, *arrays)
    assert found.shape == expected.shape
    numpy.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    integers = arrays_for(pattern, depths, lambda shape: RNG.integers(-4, 5, shape, dtype="int32"))
    found, expected = einsum(pattern, *integers), numpy.einsum(pattern, *integers)
    numpy.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize(("pattern", "depths"), SHAPED, ids=[pattern for pattern, _ in SHAPED])
@pytest.mark.parametrize("make", [RNG.standard_normal, phasors], ids=["real", "complex"])
def test_gradients_are_pytorchs(pattern, depths, make):
    arrays = [numpy.asarray(x) for x in arrays_for(pattern, depths, make)]
    plain = "".join(pattern.split())
    check(
        lambda xp, *x: einsum(pattern, *x),
        *arrays,
        torch_function=lambda torch, *x: torch.einsum(plain, *x),
        tolerance=1e-10,
    )


def test_any_library(elsewhere):
    a, b = (RNG.standard_normal(shape) for shape in ((2, 3, 4), (4, 2)))
    moved = [elsewhere.asarray(x) for x in (a, b)]
    y = einsum("...ij,jk->...ki", *moved)
    assert device_of(y) == elsewhere
    atol = 1e-14 if on_gpu(elsewhere) else 0  # sums of size 1 in another order, which may cancel
    numpy.testing.assert_allclose(to_host(y), numpy.einsum("...ij,jk->...ki", a, b), rtol=1e-14, atol=atol)
    gradient = grad(lambda a, b: namespace_of(a).sum(einsum("...ij,jk->...ki", a, b)))(*moved)
    assert device_of(gradient) == elsewhere
    beside = grad(lambda b: namespace_of(b).sum(einsum("aij,kl->aijkl", moved[0], b)))(moved[1])  # a raw array first
    numpy.testing.assert_allclose(to_host(beside), numpy.full(b.shape, numpy.sum(a)), rtol=1e-12)


def test_it_is_a_function_of_the_differentiable_namespace():
    x = numpy.eye(3)
    assert namespace_over(namespace_of(x)).einsum("ii", x) == 3


def test_axes_of_length_1_are_stretched_as_in_numpy():
    for pattern, *shapes in (
        ("ij,jk", (2, 3), (1, 4)),
        ("ij,ij->ij", (2, 1), (1, 3)),
        ("...i,...i->...i", (1, 3), (2, 1)),
        ("i,i,i", (1,), (3,), (1,)),
    ):
        arrays = [RNG.standard_normal(shape) for shape in shapes]
        numpy.testing.assert_allclose(einsum(pattern, *arrays), numpy.einsum(pattern, *arrays), rtol=1e-12)


def test_no_elements():
    for pattern, *shapes in (("ij,jk", (2, 0), (0, 3)), ("ij,jk", (0, 2), (2, 3)), ("ii", (0, 0)), ("i,j", (0,), (2,))):
        arrays = [numpy.ones(shape) for shape in shapes]
        numpy.testing.assert_array_equal(einsum(pattern, *arrays), numpy.einsum(pattern, *arrays))
        gradients = grad(lambda *x, p=pattern: namespace_of(*x).sum(einsum(p, *x)), argnums=tuple(range(len(arrays))))
        assert [g.shape for g in gradients(*arrays)] == list(shapes)


def test_a_chain_of_products_multiplies_matrices(monkeypatch):
    """One product for each two arrays; elementwise products only where nothing is summed."""
    from xpnn.autodiff.rules import einsum as module

    counted = []
    monkeypatch.setattr(module, "_matmul", lambda a, b: counted.append((a.shape, b.shape)) or a @ b)
    a, b, c = numpy.ones((2, 3)), numpy.ones((3, 4)), numpy.ones((4, 5))
    einsum("ij,jk,kl->il", a, b, c)
    assert counted == [((2, 3), (3, 4)), ((2, 4), (4, 5))]
    einsum("ij,kl->ik", a, c)  # sums first
    assert len(counted) == 2


@pytest.mark.parametrize(
    ("pattern", "shapes", "message"),
    [
        ("ij,jk", ((2, 3),), r"einsum\('ij,jk'\) expected 2 arrays, one for each part, got 1; the shapes are \(2, 3\)"),
        ("ij,jk", ((2, 3), (4, 5)), r"equal lengths for 'j', got 3 and 4; the shapes are \(2, 3\), \(4, 5\)"),
        ("ii", ((2, 3),), r"equal lengths for 'i', got 2 and 3"),
        ("ii", ((1, 3),), r"equal lengths for 'i', got 1 and 3"),
        ("ij", ((2, 3, 4),), r"expected 2 axes for 'ij', array 0 has 3"),
        ("i,ijk", ((2,), (2, 3)), r"expected 3 axes for 'ijk', array 1 has 2"),
        ("...ij", ((2,),), r"expected at least 2 axes for '...ij', array 0 has 1"),
        ("...,...", ((2,), (3,)), r"equal lengths for '\.\.\.', got 2 and 3"),
        ("ij->ik", ((2, 3),), r"each letter of the result in an array, found 'k'"),
        ("ij->ii", ((2, 3),), r"each letter of the result once in the result, found 'i'"),
        ("i.j", ((2, 3),), r"found 'i\.j'"),
        ("i...j...", ((2, 3),), r"found 'i\.\.\.j\.\.\.'"),
        ("i->j->k", ((2,),), r"one '->', found 'j->k'"),
        ("i1", ((2, 3),), r"found 'i1'"),
        ("...i->i", ((2, 3),), r"'\.\.\.' in the result too, where it stands for 1 axes"),
    ],
)
def test_errors_repeat_the_pattern_and_the_shapes(pattern, shapes, message):
    with pytest.raises(ValueError, match=message):
        einsum(pattern, *(numpy.ones(shape) for shape in shapes))


def test_wrong_kinds():
    with pytest.raises(TypeError, match="einsum expected a pattern such as 'ij,jk->ik' first, got ndarray"):
        einsum(numpy.ones((2, 2)), [0, 1])
    with pytest.raises(ValueError, match="expected arrays after the pattern, got none"):
        einsum("ij")
    with pytest.raises(TypeError, match="expected an array, got a list"):
        einsum("i", [1.0, 2.0])
