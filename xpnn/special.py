"""Special functions that networks and statistics need and the standard lacks, with derivatives of all orders.

    from xpnn import special
    special.expit(x), special.logsumexp(x, axis=-1), special.gammaln(x), ...

Values are the array library's own where it has them (scipy.special, cupyx.scipy.special) and they are no worse, else
by formulas in the standard's functions, which are accurate to the last digits too. They are defined on the floor on
which derivatives live: `xpnn.autodiff.rules.special`, `logarithms`, `error_functions` and `gamma_functions`.
"""

from xpnn.autodiff.rules.error_functions import erf, erfc, log_ndtr, ndtr
from xpnn.autodiff.rules.gamma_functions import betaln, digamma, gammaln, polygamma
from xpnn.autodiff.rules.logarithms import entr, xlogy
from xpnn.autodiff.rules.special import expit, log_expit, log_softmax, logit, logsumexp, softmax, softplus

__all__ = [
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "expit",
    "gammaln",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "polygamma",
    "softmax",
    "softplus",
    "xlogy",
]
