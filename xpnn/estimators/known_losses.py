"""What the losses of `xpnn.nn` take outputs for: logits, probabilities, numbers, logarithms of rates; and which layers
at the end of a module give no logits.

An estimator has to know, since it makes predictions of the outputs afterwards. A loss of the user's own means what the
estimator says that losses mean; of ours it is known, and one that means something else would train in silence to
predictions that are wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import FunctionType
from typing import Any

from xpnn.nn.activations import Sigmoid, Softmax, Softmin
from xpnn.nn.losses.binary import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    FocalCrossEntropy,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    focal_cross_entropy,
)
from xpnn.nn.losses.classes import CrossEntropy, NegativeLogLikelihood, cross_entropy, negative_log_likelihood
from xpnn.nn.losses.likelihoods import PoissonNegativeLogLikelihood, poisson_negative_log_likelihood
from xpnn.nn.losses.margins import (
    Hinge,
    MultiLabelSoftMargin,
    MultiMargin,
    SoftMargin,
    hinge,
    multi_label_soft_margin,
    multi_margin,
    soft_margin,
)
from xpnn.nn.module import Module
from xpnn.nn.sequential import Sequential
from xpnn.nn.smooth_activations import LogSigmoid

__all__ = ["is_of_classes", "link_of_numbers", "require_logits", "require_of_logits", "require_of_numbers"]

_OF_CLASSES = (
    cross_entropy, CrossEntropy, negative_log_likelihood, NegativeLogLikelihood, multi_margin, MultiMargin,
)  # fmt: skip
_OF_LOGITS = (
    binary_cross_entropy_with_logits, BinaryCrossEntropyWithLogits, focal_cross_entropy, FocalCrossEntropy,
    multi_label_soft_margin, MultiLabelSoftMargin,
)  # fmt: skip
_OF_SIGNS = (hinge, Hinge, soft_margin, SoftMargin)  # they say of targets 0 and 1 what to do
_OF_PROBABILITIES = (binary_cross_entropy, BinaryCrossEntropy)
_NO_LOGITS = (Sigmoid, LogSigmoid, Softmax, Softmin)  # log-softmax gives some
_OF_RATES = (poisson_negative_log_likelihood, PoissonNegativeLogLikelihood)


def is_of_classes(loss: Any) -> bool:
    """Whether it is a loss of the library that needs an output for each class, even of two."""
    return _known(loss) in _OF_CLASSES


def require_of_logits(loss: Any, kind: str) -> None:
    """Raise if a loss of the library is none of logits of classes, or of one class where a row has several labels.

    Parameters
    ----------
    loss
        A function, layer, or class of one.
    kind
        What the targets are; see `labels.Labels`.

    Raises
    ------
    ValueError
        Naming it, and what there is instead.

    Examples
    --------
    >>> require_of_logits(binary_cross_entropy, "binary")
    Traceback (most recent call last):
    ValueError: loss=binary_cross_entropy takes outputs for probabilities, a classifier for logits: give 'log_loss' or \
binary_cross_entropy_with_logits, and no sigmoid at the end
    """
    known = _known(loss)
    if known is None or known in _OF_SIGNS:
        return
    name = known.__name__
    if known in _OF_PROBABILITIES:
        raise ValueError(
            f"loss={name} takes outputs for probabilities, a classifier for logits: give 'log_loss' or "
            "binary_cross_entropy_with_logits, and no sigmoid at the end"
        )
    if known not in (*_OF_CLASSES, *_OF_LOGITS):
        raise ValueError(f"loss={name} is none of logits of classes: give 'log_loss' or a function of your own")
    if kind == "multilabel-indicator" and known in _OF_CLASSES:
        raise ValueError(
            f"loss={name} is of one class for each row, y has several labels at once: give 'log_loss' or "
            "binary_cross_entropy_with_logits"
        )


def require_logits(module: Module) -> None:
    """Raise if a `Sequential` ends in a layer of probabilities: taken for logits, a sigmoid's are all above 0.

    Raises
    ------
    ValueError
        Naming the layer.

    Examples
    --------
    >>> from xpnn import nn
    >>> require_logits(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()))
    Traceback (most recent call last):
    ValueError: the module of a classifier expected to give logits, got one that ends in Sigmoid: leave that out
    """
    last = module
    while isinstance(last, Sequential) and len(last):
        last = last[len(last) - 1]
    if type(last) in _NO_LOGITS:
        raise ValueError(
            "the module of a classifier expected to give logits, got one that ends in "
            f"{type(last).__name__}: leave that out"
        )


def require_of_numbers(loss: Any) -> None:
    """Raise if a loss of the library takes outputs for logits, which are no predictions of numbers.

    Raises
    ------
    ValueError
        Naming it.
    """
    known = _known(loss)
    if known in (*_OF_CLASSES, *_OF_LOGITS):
        raise ValueError(
            f"loss={known.__name__} takes outputs for logits, a regression for predictions: give a loss of numbers"
        )


def link_of_numbers(loss: Any, options: Mapping[str, Any] | None = None) -> str:
    """From outputs to predictions of numbers: 'exp' of logarithms of rates, else 'identity'.

    Examples
    --------
    >>> link_of_numbers(poisson_negative_log_likelihood), link_of_numbers(PoissonNegativeLogLikelihood(log_input=False))
    ('exp', 'identity')
    """
    if _known(loss) not in _OF_RATES:
        return "identity"
    given = {**(loss.keywords if isinstance(loss, partial) else {}), **(options or {})}
    return "exp" if given.get("log_input", getattr(loss, "log_input", True)) else "identity"


def _known(loss: Any) -> Any:
    """The function or class of a loss of the library; None of others."""
    loss = loss.func if isinstance(loss, partial) else loss
    kind = loss if isinstance(loss, FunctionType | type) else type(loss)
    return kind if kind.__module__.startswith("xpnn.nn.losses.") else None
