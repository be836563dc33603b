"""Special functions that networks need and the standard lacks, with derivatives: `from xpnn import special`.

    special.expit(x), special.logsumexp(x, axis=-1), ...

They are defined in `xpnn.autodiff.special`, the floor on which derivatives live.
"""

from xpnn.autodiff.special import expit, log_softmax, logsumexp, ndtr, softmax, softplus

__all__ = ["expit", "log_softmax", "logsumexp", "ndtr", "softmax", "softplus"]
