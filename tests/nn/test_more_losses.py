"""Losses in the variants that PyTorch's own cases (`tests/parity`) do not have, their corners, and wrong input.

rtol = atol = 1e-12, as in test_losses.
"""

import numpy
import pytest

import xpnn
from xpnn import nn

RNG = numpy.random.default_rng(8)
Z, LABELS = RNG.standard_normal((4, 3, 5)), RNG.integers(0, 3, (4, 5))
Y, T = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 3))
SIGNS = numpy.sign(T)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed; it judges these losses")


def agree(torch, ours, judge, *args):
    """Equal values and gradients with respect to all floating-point arguments."""
    wanted = tuple(n for n, a in enumerate(args) if a.dtype.kind == "f")
    total = lambda *a: xpnn.namespace_of(*a).sum(ours(*a) * numpy.cos(numpy.arange(value.size)).reshape(value.shape))  # noqa: E731
    value = ours(*args)
    gradients = xpnn.grad(total, argnums=wanted)(*args)
    tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in args]
    expected = judge(*tensors)
    (expected * torch.cos(torch.arange(expected.numel()).double()).reshape(expected.shape)).sum().backward()
    numpy.testing.assert_allclose(value, expected.detach(), rtol=1e-12, atol=1e-12)
    for gradient, n in zip(gradients, wanted, strict=True):
        numpy.testing.assert_allclose(gradient, tensors[n].grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignored", [None, 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
def test_cross_entropy_with_all_options_at_once(torch, smoothing, weighted, ignored, reduction):
    w = numpy.asarray([0.5, 2.0, 1.0]) if weighted else None

    def judge(z):
        return torch.nn.functional.cross_entropy(
            z,
            torch.tensor(LABELS),
            weight=None if w is None else torch.tensor(w),
            label_smoothing=smoothing,
            ignore_index=-100 if ignored is None else ignored,
            reduction=reduction,
        )

    options = {"label_smoothing": smoothing, "class_weight": w, "ignore_index": ignored, "reduction": reduction}
    agree(torch, lambda z: nn.cross_entropy(z, LABELS, axis=1, **options), judge, Z)
    last = nn.cross_entropy(numpy.moveaxis(Z, 1, -1), LABELS, **options)
    numpy.testing.assert_allclose(last, nn.cross_entropy(Z, LABELS, axis=-2, **options), rtol=1e-12)


CLASSES, COUNTS, SHARES = RNG.integers(0, 3, 6), RNG.integers(0, 9, (6, 3)).astype(float), RNG.random((6, 3))
WEIGHT = numpy.asarray([0.5, 2.0, 1.0])
JUDGED = {  # ours, PyTorch's, the same options of both, further arguments
    "absolute_error": ("absolute_error", "l1_loss", {}, {}, (T,)),
    "huber_error": ("huber_error", "huber_loss", {"delta": 0.4}, {"delta": 0.4}, (T,)),
    "smooth_absolute_error": ("smooth_absolute_error", "smooth_l1_loss", {"beta": 0.4}, {"beta": 0.4}, (T,)),
    "kl_divergence": ("kl_divergence", "kl_div", {}, {}, (SHARES,)),
    "kl_divergence of logarithms": ("kl_divergence", "kl_div", {"log_target": True}, {"log_target": True}, (T,)),
    "gaussian": ("gaussian_negative_log_likelihood", "gaussian_nll_loss", {}, {}, (T, SHARES)),
    "gaussian, full": (
        "gaussian_negative_log_likelihood",
        "gaussian_nll_loss",
        {"full": True, "epsilon": 0.1},
        {"full": True, "eps": 0.1},
        (T, SHARES[:, :1]),
    ),
    "poisson": ("poisson_negative_log_likelihood", "poisson_nll_loss", {}, {}, (COUNTS,)),
    "poisson, full": ("poisson_negative_log_likelihood", "poisson_nll_loss", {"full": True}, {"full": True}, (COUNTS,)),
    "hinge_embedding": ("hinge_embedding", "hinge_embedding_loss", {"margin": 0.4}, {"margin": 0.4}, (SIGNS,)),
    "soft_margin": ("soft_margin", "soft_margin_loss", {}, {}, (SIGNS,)),
    "margin_ranking": ("margin_ranking", "margin_ranking_loss", {"margin": 0.4}, {"margin": 0.4}, (T, SIGNS)),
    "multi_margin": ("multi_margin", "multi_margin_loss", {"margin": 0.4}, {"margin": 0.4}, (CLASSES,)),
    "multi_margin, squared": (
        "multi_margin",
        "multi_margin_loss",
        {"power": 2, "class_weight": WEIGHT},
        {"p": 2, "weight": WEIGHT},
        (CLASSES,),
    ),
    "multi_label_soft_margin": (
        "multi_label_soft_margin",
        "multilabel_soft_margin_loss",
        {"class_weight": WEIGHT},
        {"weight": WEIGHT},
        (SHARES,),
    ),
    "cosine_embedding": (
        "cosine_embedding",
        "cosine_embedding_loss",
        {"margin": 0.1},
        {"margin": 0.1},
        (T, SIGNS[:, 0]),
    ),
    "negative_log_likelihood": (
        "negative_log_likelihood",
        "nll_loss",
        {"class_weight": WEIGHT, "ignore_index": 1},
        {"weight": WEIGHT, "ignore_index": 1},
        (CLASSES,),
    ),
}
CONSTANT = {  # targets, by position; PyTorch's gradient by a count of 0 is NaN
    "soft_margin": 1,
    "hinge_embedding": 1,
    "poisson_negative_log_likelihood": 1,
    "margin_ranking": 2,
    "cosine_embedding": 2,
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", JUDGED)
def test_losses_are_pytorchs(torch, name, reduction):
    ours, judge, options, theirs, rest = JUDGED[name]
    function, judge = getattr(nn, ours), getattr(torch.nn.functional, judge)
    theirs = {key: torch.tensor(x) if isinstance(x, numpy.ndarray) else x for key, x in theirs.items()}
    place = CONSTANT.get(ours)
    fixed = None if place is None else rest[place - 1]
    rest = rest if place is None else rest[: place - 1]
    last = [] if fixed is None else [fixed]
    agree(
        torch,
        lambda *a: function(*a, *last, reduction=reduction, **options),
        lambda *a: judge(*a, *map(torch.tensor, last), reduction=reduction, **theirs),
        Y,
        *rest,
    )


def test_weights_of_items_beside_smoothing_and_weights_of_classes():
    w = numpy.asarray([1.0, 3.0, 0.0, 1.0, 0.5, 2.0])
    options = {"class_weight": WEIGHT, "label_smoothing": 0.2}
    items = nn.cross_entropy(Y, CLASSES, reduction="none", **options)
    found = nn.cross_entropy(Y, CLASSES, sample_weight=w, **options)
    numpy.testing.assert_allclose(found, (w * items).sum() / (w * WEIGHT[CLASSES]).sum(), rtol=1e-12)


def test_a_negative_log_likelihood_of_log_softmax_is_the_cross_entropy():
    log_p = nn.log_softmax(Z, axis=1)
    for options in ({}, {"ignore_index": 2}, {"class_weight": numpy.asarray([0.5, 2.0, 1.0]), "reduction": "none"}):
        found = nn.negative_log_likelihood(log_p, LABELS, axis=1, **options)
        numpy.testing.assert_allclose(found, nn.cross_entropy(Z, LABELS, axis=1, **options), rtol=1e-12)


def test_ignored_labels_may_be_any_number_and_their_logits_infinite():
    z = numpy.asarray([[-numpy.inf, 0.0], [1.0, 0.0]])
    value, gradient = xpnn.value_and_grad(lambda z: nn.cross_entropy(z, numpy.asarray([255, 0]), ignore_index=255))(z)
    assert value == nn.cross_entropy(z[1:], numpy.asarray([0]))
    assert not gradient[0].any()
    assert nn.cross_entropy(z, numpy.asarray([-1, -1]), ignore_index=-1) == 0.0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_ignored_items_and_items_of_weight_0_count_alike(smoothing):
    t = numpy.asarray([0, 2, 1, 2, 0, 1])
    w = numpy.asarray([1.0, 3.0, 0.0, 1.0, 0.5, 0.0])
    options = {"class_weight": numpy.asarray([0.5, 2.0, 1.0]), "label_smoothing": smoothing}
    found = nn.cross_entropy(Y, t, ignore_index=1, sample_weight=w, **options)
    numpy.testing.assert_allclose(found, nn.cross_entropy(Y, t, sample_weight=w, **options), rtol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (6, 1), (6, 3), ()])
def test_positive_weight_of_any_shape_that_stretches(torch, shape):
    t, w = RNG.random((6, 3)), RNG.uniform(0.5, 2.0, shape)
    agree(
        torch,
        lambda z, t: nn.binary_cross_entropy_with_logits(z, t, positive_weight=w, reduction="none"),
        lambda z, t: torch.nn.functional.binary_cross_entropy_with_logits(
            z, t, pos_weight=torch.tensor(w), reduction="none"
        ),
        Y,
        t,
    )
    layer = nn.BinaryCrossEntropyWithLogits(positive_weight=w)
    assert layer(Y, t) == nn.binary_cross_entropy_with_logits(Y, t, positive_weight=w)
    assert list(layer.state_dict()) == ["positive_weight"]


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("power", [1.0, 2.0, 3.0, numpy.inf])
def test_triplet_margin(torch, power, swap):
    agree(
        torch,
        lambda a, p, n: nn.triplet_margin(a, p, n, power=power, swap=swap, margin=0.7, reduction="none"),
        lambda a, p, n: torch.nn.functional.triplet_margin_loss(
            a, p, n, p=power, swap=swap, margin=0.7, reduction="none"
        ),
        Y,
        T,
        RNG.standard_normal((6, 3)),
    )


def test_a_triplet_whose_positive_is_its_anchor_has_a_finite_gradient():
    gradients = xpnn.grad(nn.triplet_margin, argnums=(0, 1, 2))(Y, Y, Y)
    assert all(numpy.isfinite(g).all() for g in gradients)


def test_vectors_of_zeros_have_cosine_0():
    zeros = numpy.zeros((2, 3))
    value, gradient = xpnn.value_and_grad(lambda a: nn.cosine_embedding(a, T[:2], numpy.asarray([1.0, -1.0])))(zeros)
    assert value == 0.5
    assert numpy.isfinite(gradient).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_cross_entropy_is_its_formula(torch, alpha, gamma):
    t = (RNG.random((6, 3)) > 0.5).astype(float)

    def judge(z):  # equation 5 of the paper
        p = torch.sigmoid(z)
        of_target = torch.where(torch.tensor(t) == 1, p, 1 - p)
        factor = 1.0 if alpha is None else torch.where(torch.tensor(t) == 1, alpha, 1 - alpha)
        return -factor * (1 - of_target) ** gamma * torch.log(of_target)

    agree(torch, lambda z: nn.focal_cross_entropy(z, t, gamma=gamma, alpha=alpha, reduction="none"), judge, Y)


def test_focal_cross_entropy_far_from_0():
    z = numpy.asarray([800.0, -800.0])
    for t in (numpy.asarray([1.0, 0.0]), numpy.asarray([0.0, 1.0])):
        value, gradient = xpnn.value_and_grad(nn.focal_cross_entropy)(z, t)
        assert numpy.isfinite(value)
        assert numpy.isfinite(gradient).all()


def test_quantile_error_and_hinge_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    w = RNG.uniform(0.5, 2.0, 6)
    for q in (0.0, 0.1, 0.5, 0.9):
        expected = metrics.mean_pinball_loss(T, Y, alpha=q, sample_weight=w)
        numpy.testing.assert_allclose(nn.quantile_error(Y, T, q=q, sample_weight=w), expected, rtol=1e-12)
    expected = metrics.hinge_loss(SIGNS[:, 0], Y[:, 0], sample_weight=w)
    numpy.testing.assert_allclose(nn.hinge(Y[:, 0], SIGNS[:, 0], sample_weight=w), expected, rtol=1e-12)


def test_the_least_quantile_error_is_at_the_quantile():
    t = numpy.sort(RNG.standard_normal(101))
    for q in (0.1, 0.5, 0.9):
        losses = [nn.quantile_error(numpy.full(101, y), t, q=q) for y in t]
        assert abs(numpy.argmin(losses) - 100 * q) <= 1


def test_targets_of_0_have_a_finite_divergence():
    t = numpy.asarray([[0.0, 1.0], [1.0, 0.0]])
    value, gradients = xpnn.value_and_grad(nn.kl_divergence, argnums=(0, 1))(numpy.log(numpy.full((2, 2), 0.5)), t)
    numpy.testing.assert_allclose(value, numpy.log(2) / 2)
    assert all(numpy.isfinite(g).all() for g in gradients)


LAYERS = {
    "HuberError": {"delta": 0.3},
    "SmoothAbsoluteError": {"beta": 0.3},
    "QuantileError": {"q": 0.3},
    "Hinge": {"margin": 0.3},
    "HingeEmbedding": {"margin": 0.3},
    "SoftMargin": {},
    "AbsoluteError": {},
    "KLDivergence": {"log_target": True},
    "PoissonNegativeLogLikelihood": {"full": True},
    "MultiLabelSoftMargin": {},
    "FocalCrossEntropy": {"gamma": 1.0, "alpha": None},
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_their_functions_with_weights_of_items(name):
    function = getattr(nn, "".join(f"_{c.lower()}" if c.isupper() else c for c in name)[1:].replace("k_l_", "kl_"))
    t = numpy.abs(numpy.tanh(T)) if name in ("MultiLabelSoftMargin", "FocalCrossEntropy") else SIGNS
    w = numpy.asarray([1.0, 2.0, 0.0, 0.5, 3.0, 1.0])
    layer = getattr(nn, name)(**LAYERS[name])
    assert layer(Y, t, sample_weight=w) == function(Y, t, sample_weight=w, **LAYERS[name])
    items = function(Y, t, reduction="none", **LAYERS[name])
    items = items.mean(axis=1) if items.ndim > 1 else items
    numpy.testing.assert_allclose(layer(Y, t, sample_weight=w), numpy.average(items, weights=w), rtol=1e-12)


# Wrong input

WRONG = [
    (lambda: nn.cross_entropy(Y, numpy.zeros(6, int), axis=2), ValueError, "axis to be one of the 2 axes"),
    (lambda: nn.cross_entropy(Y, numpy.zeros(6, int), label_smoothing=1.5), ValueError, "label_smoothing of 0 or more"),
    (lambda: nn.cross_entropy(Y, numpy.zeros(6, int), ignore_index=0.5), TypeError, "ignore_index to be an integer"),
    (lambda: nn.cross_entropy(Y, T, ignore_index=1), ValueError, "expected labels with ignore_index=1"),
    (lambda: nn.cross_entropy(Y, numpy.full(6, -1)), ValueError, "labels from 0 to 2"),
    (lambda: nn.cross_entropy(Y, numpy.full(6, 9), ignore_index=-1), ValueError, "labels from 0 to 2"),
    (lambda: nn.negative_log_likelihood(Y, T), TypeError, "integer labels"),
    (lambda: nn.huber_error(Y, T, delta=0.0), ValueError, "delta above 0"),
    (lambda: nn.HuberError(delta=1 + 0j), TypeError, "delta to be a number"),
    (lambda: nn.SmoothAbsoluteError(beta=-1.0), ValueError, "beta of 0 or more"),
    (lambda: nn.quantile_error(Y, T, q=1.5), ValueError, "at most 1, got 1.5"),
    (lambda: nn.quantile_error(Y, T, q=numpy.nan), ValueError, "got nan"),
    (lambda: nn.absolute_error(Y, T[:5]), ValueError, "of one shape"),
    (lambda: nn.absolute_error(Y, T.astype("float32")), TypeError, "targets of dtype float64"),
    (lambda: nn.kl_divergence(Y, abs(T), reduction="batchmean"), ValueError, "reduction is"),
    (lambda: nn.gaussian_negative_log_likelihood(Y, T, T[:, :2]), ValueError, "variance of a shape"),
    (lambda: nn.gaussian_negative_log_likelihood(Y, T, T.astype("float32")), TypeError, "variance of dtype"),
    (lambda: nn.binary_cross_entropy_with_logits(Y, abs(SIGNS), positive_weight=T[:, :2]), ValueError, "stretches to"),
    (lambda: nn.focal_cross_entropy(Y, abs(SIGNS), alpha=2.0), ValueError, "alpha of 0 or more, at most 1"),
    (lambda: nn.hinge(Y, SIGNS, margin=-1.0), ValueError, "margin of 0 or more"),
    (lambda: nn.margin_ranking(Y, T[:5], SIGNS), ValueError, "of one shape"),
    (lambda: nn.multi_margin(Y, numpy.zeros(5, int)), ValueError, "t of shape"),
    (lambda: nn.multi_margin(Y, numpy.zeros(6)), TypeError, "integer labels"),
    (lambda: nn.MultiMargin(power=3), ValueError, "power to be 1 or 2"),
    (lambda: nn.multi_margin(Y, numpy.zeros(6, int), class_weight=numpy.ones(2)), ValueError, "class_weight of shape"),
    (lambda: nn.multi_label_soft_margin(Y, abs(SIGNS), class_weight=T[0, :2]), ValueError, "class_weight of shape"),
    (lambda: nn.triplet_margin(Y, T, T, margin=0.0), ValueError, "margin above 0"),
    (lambda: nn.triplet_margin(Y, T, T, power=0.0), ValueError, "power above 0"),
    (lambda: nn.cosine_embedding(Y, T, SIGNS), ValueError, "targets of shape"),
    (lambda: nn.cosine_embedding(Y, T, numpy.ones(6, int)), TypeError, "targets of dtype"),
    (lambda: nn.CosineEmbedding(margin=2.0), ValueError, "at most 1"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_wrong_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
