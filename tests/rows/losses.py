"""Rows of losses beyond those of `layers`: each function once, each layer once, and options that take other ways."""

import numpy

from rows.base import RNG, normal, positive, row
from xpnn import nn

LABELS = numpy.asarray([2, 0, 1])
IMAGE_LABELS = numpy.asarray([[2, 0], [-1, 1], [1, 1]])
SIGNS = numpy.asarray([1.0, -1.0, 1.0])
SHARES = RNG.uniform(0.1, 0.9, (3, 2))


def of_layer(loss, *args):
    return loss(*args)


def apart(*shape):
    """Numbers whose differences are not near 0, 1 or 2, where losses by margins have kinks."""
    return numpy.linspace(-1.7, 1.9, numpy.prod(shape)).reshape(shape)[::-1] + 0.03


def signs(*shape):
    return numpy.sign(normal(*shape))


row("absolute_error", lambda y, t: nn.absolute_error(y, t, reduction="none"), apart(3, 2), normal(3, 2) * 0.1)
row("AbsoluteError", of_layer, nn.AbsoluteError(), apart(3, 2), normal(3, 2) * 0.1, empty=False)
row("huber_error", lambda y, t: nn.huber_error(y, t, delta=0.7, reduction="sum"), apart(3, 2), normal(3, 2) * 0.1)
row("HuberError", of_layer, nn.HuberError(), apart(3, 2), normal(3, 2) * 0.1, empty=False)
row(
    "smooth_absolute_error",
    lambda y, t: nn.smooth_absolute_error(y, t, beta=0.7, reduction="none"),
    apart(3, 2),
    normal(3, 2) * 0.1,
)
row("SmoothAbsoluteError", of_layer, nn.SmoothAbsoluteError(beta=0.0), apart(3, 2), normal(3, 2) * 0.1, empty=False)
row("quantile_error", lambda y, t: nn.quantile_error(y, t, q=0.9, reduction="none"), apart(3, 2), normal(3, 2) * 0.1)
row("QuantileError", of_layer, nn.QuantileError(q=0.2), apart(3, 2), normal(3, 2) * 0.1, empty=False)
row(
    "binary_cross_entropy_with_logits, positive_weight by class",
    lambda z, t, w: nn.binary_cross_entropy_with_logits(z, t, positive_weight=w),
    normal(3, 2),
    SHARES,
    positive(2),
    argnums=(0, 1),
    empty=False,
)
row("focal_cross_entropy", lambda z, t: nn.focal_cross_entropy(z, t, reduction="none"), normal(3, 2), SHARES)
row("FocalCrossEntropy", of_layer, nn.FocalCrossEntropy(gamma=0.0, alpha=None), normal(3, 2), SHARES, empty=False)
row(
    "cross_entropy of axis 1",
    lambda z, t: nn.cross_entropy(z, t, axis=1),
    normal(3, 4, 2),
    abs(IMAGE_LABELS),
    empty=False,
)
row(
    "cross_entropy, smoothed, weighted, some ignored",
    lambda z, t, c: nn.cross_entropy(z, t, axis=1, class_weight=c, label_smoothing=0.2, ignore_index=-1),
    normal(3, 4, 2),
    IMAGE_LABELS,
    positive(4),
    argnums=0,
    empty=False,
)
row(
    "cross_entropy of probabilities, axis 1, smoothed",
    lambda z, t: nn.cross_entropy(z, t, axis=1, label_smoothing=0.2, reduction="none"),
    normal(3, 4, 2),
    RNG.dirichlet(numpy.ones(4), (3, 2)).swapaxes(1, 2),
)
row("negative_log_likelihood", lambda p, t: nn.negative_log_likelihood(p, t, reduction="none"), normal(3, 4), LABELS)
row("NegativeLogLikelihood", of_layer, nn.NegativeLogLikelihood(ignore_index=0), normal(3, 4), LABELS, empty=False)
row("kl_divergence", lambda p, t: nn.kl_divergence(p, t, reduction="none"), normal(3, 2), SHARES)
row(
    "KLDivergence",
    of_layer,
    nn.KLDivergence(log_target=True, reduction="batch_mean"),
    normal(3, 2),
    normal(3, 2),
    empty=False,
)
row(
    "gaussian_negative_log_likelihood",
    lambda y, t, v: nn.gaussian_negative_log_likelihood(y, t, v, full=True, reduction="none"),
    normal(3, 2),
    normal(3, 2),
    positive(3, 1),
)
row(
    "GaussianNegativeLogLikelihood",
    of_layer,
    nn.GaussianNegativeLogLikelihood(),
    normal(3, 2),
    normal(3, 2),
    positive(3, 2),
    empty=False,
)
row(
    "poisson_negative_log_likelihood",
    lambda y, t: nn.poisson_negative_log_likelihood(y, t, full=True, reduction="none"),
    normal(3, 2),
    positive(3, 2) * 2.1,
)
row(
    "PoissonNegativeLogLikelihood",
    of_layer,
    nn.PoissonNegativeLogLikelihood(log_input=False),
    positive(3, 2),
    positive(3, 2),
    empty=False,
)
row("hinge", lambda y, t: nn.hinge(y, t, reduction="none"), apart(3, 2), signs(3, 2))
row("Hinge", of_layer, nn.Hinge(margin=0.4), apart(3, 2), signs(3, 2), empty=False)
row("hinge_embedding", lambda y, t: nn.hinge_embedding(y, t, reduction="none"), apart(3, 2), signs(3, 2), argnums=0)
row("HingeEmbedding", of_layer, nn.HingeEmbedding(), apart(3, 2), signs(3, 2), argnums=1, empty=False)
row("soft_margin", lambda y, t: nn.soft_margin(y, t, reduction="none"), normal(3, 2), signs(3, 2))
row("SoftMargin", of_layer, nn.SoftMargin(), normal(3, 2), signs(3, 2), empty=False)
row(
    "margin_ranking",
    lambda a, b, t: nn.margin_ranking(a, b, t, margin=0.3, reduction="none"),
    apart(3, 2),
    normal(3, 2) * 0.1,
    signs(3, 2),
    argnums=(0, 1),
)
row("MarginRanking", of_layer, nn.MarginRanking(), apart(3), normal(3), SIGNS, argnums=(1, 2), empty=False)
row(
    "multi_margin",
    lambda z, t, w: nn.multi_margin(z, t, power=2, class_weight=w, reduction="none"),
    apart(3, 4),
    LABELS,
    positive(4),
    argnums=0,
    empty=False,
)
row("MultiMargin", of_layer, nn.MultiMargin(margin=0.2), apart(3, 4), LABELS, empty=False)
row(
    "multi_label_soft_margin",
    lambda z, t, w: nn.multi_label_soft_margin(z, t, class_weight=w, reduction="none"),
    normal(3, 2),
    SHARES,
    positive(2),
    argnums=(0, 1),
    empty=False,
)
row("MultiLabelSoftMargin", of_layer, nn.MultiLabelSoftMargin(), normal(3, 2), SHARES, empty=False)
row(
    "triplet_margin",
    lambda a, p, n: nn.triplet_margin(a, p, n, swap=True, reduction="none"),
    normal(3, 4),
    normal(3, 4),
    normal(3, 4),
)
row("TripletMargin", of_layer, nn.TripletMargin(power=1.0), normal(3, 4), normal(3, 4), normal(3, 4), empty=False)
row(
    "cosine_embedding",
    lambda a, b, t: nn.cosine_embedding(a, b, t, margin=-0.8, reduction="none"),
    normal(3, 4),
    normal(3, 4),
    SIGNS,
    argnums=(0, 1),
)
row("CosineEmbedding", of_layer, nn.CosineEmbedding(), normal(3, 4), normal(3, 4), SIGNS, argnums=(1, 2), empty=False)
