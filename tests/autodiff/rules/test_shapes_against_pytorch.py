"""What moves, picks, joins and sorts elements, against PyTorch: values and gradients, real and complex, float64."""

import numpy
import pytest

import xpnn
from xpnn.arrays.namespaces import namespace_of

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed; it judges these gradients (pip install torch==2.13.0)"
)

RNG = numpy.random.default_rng(11)
REAL = RNG.standard_normal((3, 4))
COMPLEX = REAL + 1j * RNG.standard_normal((3, 4))
TAKEN = numpy.asarray([2, 0, 2, 1])
ALONG = numpy.asarray([[0, 3, 3], [1, 1, 2], [0, 2, 1]])
MASK = numpy.asarray([[True, False, True, True], [False, True, False, False], [True, True, False, True]])

# ours, of (xp, x), and PyTorch's, of x
PAIRS = {
    "reshape": (lambda xp, x: xp.reshape(x, (2, 6)), lambda x: x.reshape(2, 6)),
    "permute_dims": (lambda xp, x: xp.permute_dims(x, (1, 0)), lambda x: x.permute(1, 0)),
    "matrix_transpose": (lambda xp, x: xp.matrix_transpose(x), lambda x: x.mT),
    "moveaxis": (lambda xp, x: xp.moveaxis(x[None, ...], 0, 2), lambda x: x[None].movedim(0, 2)),
    "expand_dims": (lambda xp, x: xp.expand_dims(x, axis=1), lambda x: x.unsqueeze(1)),
    "squeeze": (lambda xp, x: xp.squeeze(x[:1, :], axis=0), lambda x: x[:1].squeeze(0)),
    "broadcast_to": (lambda xp, x: xp.broadcast_to(x, (2, 3, 4)), lambda x: x.expand(2, 3, 4)),
    "flip": (lambda xp, x: xp.flip(x, axis=1), lambda x: x.flip(1)),
    "roll": (lambda xp, x: xp.roll(x, (1, 2), axis=(0, 1)), lambda x: x.roll((1, 2), (0, 1))),
    "tile": (lambda xp, x: xp.tile(x, (2, 3)), lambda x: x.tile(2, 3)),
    "repeat": (lambda xp, x: xp.repeat(x, 3, axis=1), lambda x: x.repeat_interleave(3, 1)),
    "tril": (lambda xp, x: xp.tril(x, k=1), lambda x: x.tril(1)),
    "triu": (lambda xp, x: xp.triu(x, k=-1), lambda x: x.triu(-1)),
    "concat": (lambda xp, x: xp.concat([x, 2 * x], axis=1), lambda x: torch.cat([x, 2 * x], 1)),
    "stack": (lambda xp, x: xp.stack([x, x * x], axis=1), lambda x: torch.stack([x, x * x], 1)),
    "unstack": (lambda xp, x: xp.unstack(x, axis=1)[2], lambda x: x.unbind(1)[2]),
    "diff": (lambda xp, x: xp.diff(x, n=2, axis=1), lambda x: x.diff(2, 1)),
    "take": (lambda xp, x: xp.take(x, TAKEN, axis=0), lambda x: x[torch.tensor(TAKEN)]),
    "take_along_axis": (
        lambda xp, x: xp.take_along_axis(x, ALONG, axis=1),
        lambda x: x.take_along_dim(torch.tensor(ALONG), 1),
    ),
    "where": (lambda xp, x: xp.where(MASK, x * x, 3 * x), lambda x: torch.where(torch.tensor(MASK), x * x, 3 * x)),
    "meshgrid": (
        lambda xp, x: xp.meshgrid(x[0, :], x[:, 0])[1],
        lambda x: torch.meshgrid(x[0], x[:, 0], indexing="xy")[1],
    ),
    "slices": (lambda xp, x: x[1:, ::2], lambda x: x[1:, ::2]),
    "new axes": (lambda xp, x: x[None, 1, ..., None], lambda x: x[None, 1, ..., None]),
    "mask": (lambda xp, x: x[MASK], lambda x: x[torch.tensor(MASK)]),
    "integer arrays": (
        lambda xp, x: x[TAKEN, ALONG[:, :1]],
        lambda x: x[torch.tensor(TAKEN), torch.tensor(ALONG[:, :1])],
    ),
    "an integer array beside a slice": (lambda xp, x: x[1:, TAKEN], lambda x: x[1:, torch.tensor(TAKEN)]),
    "cumulative_sum": (lambda xp, x: xp.cumulative_sum(x, axis=1), lambda x: x.cumsum(1)),
    "cumulative_prod": (lambda xp, x: xp.cumulative_prod(x, axis=1), lambda x: x.cumprod(1)),
    "cumulative_prod with a zero": (
        lambda xp, x: xp.cumulative_prod(x * MASK, axis=1),
        lambda x: (x * torch.tensor(MASK)).cumprod(1),
    ),
    "prod with a zero": (lambda xp, x: xp.prod(x * MASK, axis=0), lambda x: (x * torch.tensor(MASK)).prod(0)),
    "prod with two zeros": (
        lambda xp, x: xp.prod(x[1:2, :] * MASK[1:2, :], axis=1),
        lambda x: (x[1:2] * torch.tensor(MASK[1:2])).prod(1),
    ),
    "write": (lambda xp, x: _written(xp, x), lambda x: _written_there(x)),
}
ONLY_REAL = {
    "sort": (lambda xp, x: xp.sort(x, axis=0, descending=True), lambda x: x.sort(0, descending=True).values),
    "unique_values": (lambda xp, x: xp.unique_values(x), lambda x: x.flatten().sort().values),
    "clip": (lambda xp, x: xp.clip(x, -0.5, 0.5), lambda x: x.clip(-0.5, 0.5)),
}
CASES = [(name, x) for name in PAIRS for x in (REAL, COMPLEX)] + [(name, REAL) for name in ONLY_REAL]


def _written(xp, x):
    y = xp.asarray(x, copy=True)
    y[0, 1:] = x[1, 1:] ** 2
    y[MASK] *= 2
    return y


def _written_there(x):
    y = x.clone()
    y[0, 1:] = x[1, 1:] ** 2
    y[torch.tensor(MASK)] *= 2
    return y


@pytest.mark.parametrize(("name", "x"), CASES, ids=lambda part: part if isinstance(part, str) else str(part.dtype))
def test_value_and_gradient(name, x):
    ours, theirs = (PAIRS | ONLY_REAL)[name]
    there = torch.tensor(x, requires_grad=True)
    expected = theirs(there)
    value, back = xpnn.vjp(lambda x: ours(namespace_of(x), x), x)
    numpy.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-13)
    dy = RNG.standard_normal(value.shape) + (1j * RNG.standard_normal(value.shape) if x is COMPLEX else 0)
    expected.backward(torch.tensor(dy))
    numpy.testing.assert_allclose(back(dy)[0], there.grad.resolve_conj().numpy(), rtol=1e-12, atol=1e-13)
