"""Rows of the special functions."""

import numpy

from rows.base import inside, normal, positive, row
from xpnn import special

# Both sides of all the places where formulas change, some far out
BESIDE = numpy.asarray([[-4.3, -1.7, -1.1, -0.9], [-0.4, 0.3, 0.55, 1.3], [1.7, 2.6, 5.2, 9.5]])
POSITIVE = numpy.asarray([[0.05, 0.4, 0.9, 1.2], [1.46, 1.9, 2.1, 4.4], [7.8, 8.3, 30.2, 150.0]])

for name in ("erf", "erfc", "ndtr", "log_ndtr", "expit", "log_expit", "softplus"):
    row(f"{name} on both sides", getattr(special, name), BESIDE)
    row(f"{name} of ()", getattr(special, name), numpy.asarray(0.7))
row("log_ndtr far out", special.log_ndtr, numpy.asarray([[-40.0, -200.0], [6.0, 12.0]]))
row("logit", special.logit, 0.5 + inside(3, 4) / 2)
row("logit of ()", special.logit, numpy.asarray(0.2))
row("entr", special.entr, positive(3, 4))
row("entr of ()", special.entr, numpy.asarray(0.2))
row("xlogy", special.xlogy, normal(3, 4), positive(3, 4))
row("xlogy broadcast", special.xlogy, normal(3, 1), positive(3, 4))
row("xlogy with ()", special.xlogy, numpy.asarray(0.3), positive(3, 4))
row("xlogy with a number", lambda x: special.xlogy(x, 3), normal(3, 4))
row("xlogy of a number", lambda x: special.xlogy(2, x), positive(3, 4))
for name in ("gammaln", "digamma"):
    row(name, getattr(special, name), POSITIVE)
    row(f"{name} below 0", getattr(special, name), BESIDE)
    row(f"{name} of ()", getattr(special, name), numpy.asarray(0.7))
for n in (0, 1, 2, 5):
    row(f"polygamma {n}", lambda x, n=n: special.polygamma(n, x), POSITIVE[1:])
    row(f"polygamma {n} below 0", lambda x, n=n: special.polygamma(n, x), numpy.asarray([-0.4, -1.55, -7.5]))
row("polygamma of ()", lambda x: special.polygamma(1, x), numpy.asarray(0.7))
row("betaln", special.betaln, POSITIVE, POSITIVE[::-1].copy())
row("betaln broadcast", special.betaln, positive(3, 1), 10 * positive(3, 4))
row("betaln with ()", special.betaln, positive(3, 4), numpy.asarray(0.3))
row("betaln with a number", lambda x: special.betaln(x, 2), positive(3, 4))
row("betaln of a number", lambda x: special.betaln(9.5, x), positive(3, 4))
row(
    "logsumexp along the first axis, kept",
    lambda x: special.logsumexp(x, axis=0, keepdims=True),
    normal(3, 4),
    empty=False,
)
