"""Rows of activations beyond those of `rows.layers`."""

import numpy

from rows.base import RNG, normal, row
from xpnn import nn

PLAIN = (
    nn.elu, nn.selu, nn.celu, nn.softplus, nn.softsign, nn.silu, nn.mish, nn.log_sigmoid, nn.tanhshrink,
    nn.hardtanh, nn.relu6, nn.hardsigmoid, nn.hardswish, nn.hardshrink, nn.softshrink, nn.softmin,
)  # fmt: skip
KINKS = [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0]


def away(*shape):
    """Numbers away from all kinks."""
    x = RNG.uniform(-7, 7, shape)
    for kink in KINKS:
        x = x + 0.2 * numpy.sign(x - kink) * (numpy.abs(x - kink) < 0.1)
    return x


for function in PLAIN:
    row("nn." + {"log_expit": "log_sigmoid"}.get(function.__name__, function.__name__), function, away(3, 4))
row("elu with alpha 0.5", lambda x: nn.elu(x, alpha=0.5), away(3, 4))
row("nn.softplus with beta and threshold", lambda x: nn.softplus(x, beta=2.0, threshold=1.0), away(3, 4))
row("threshold", lambda x: nn.threshold(x, threshold=0.5, value=2.0), away(3, 4))
row("prelu", nn.prelu, normal(3, 4), normal(1), empty=False)
row("prelu of channels", lambda x, w: nn.prelu(x, w), normal(2, 3, 2), normal(3), empty=False)
row("rrelu", lambda x: nn.rrelu(x, seed=1, step=2), normal(3, 4))
for function in (nn.glu, nn.reglu, nn.geglu, nn.swiglu):
    row(function.__name__, function, normal(3, 4))
row("glu of axis 1", lambda x: nn.glu(x, axis=1), normal(2, 4, 3))

for layer in (
    nn.ELU(0.7), nn.SELU(), nn.CELU(0.7), nn.Softplus(beta=2.0), nn.Softsign(), nn.SiLU(), nn.Mish(), nn.LogSigmoid(),
    nn.Tanhshrink(), nn.Hardtanh(low=-2.0), nn.ReLU6(), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardshrink(0.4),
    nn.Softshrink(0.4), nn.Threshold(0.5, 2.0), nn.PReLU(4), nn.RReLU().eval(), nn.Softmin(), nn.GLU(), nn.ReGLU(),
    nn.GEGLU(), nn.SwiGLU(),
):  # fmt: skip
    row(repr(layer), lambda layer, x: layer(x), layer, away(3, 4))
row("Softmax2d", lambda layer, x: layer(x), nn.Softmax2d(), normal(2, 3, 1, 2))
