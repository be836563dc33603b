"""Several networks of one estimator, trained at once and averaged: what `n_ens` adds to the network and to the loss.

In training the outputs have an axis more, (members, n, outputs), and the loss is the sum of the members' losses: the
gradient of each member is the one that it has alone, and so is its step by any rule that takes numbers one by one, such
as Adam's. In evaluation the outputs are one again, (n, outputs), such that what becomes of them is the members' mean:

| link | of the members' | outputs in evaluation |
| --- | --- | --- |
| 'identity' | outputs | mean(y_k) |
| 'exp' | rates exp(y_k) | log(mean(exp(y_k))) |
| 'logistic' | probabilities s(y_k) | log(mean(s(y_k)) / mean(s(-y_k))) |
| 'softmax' | probabilities softmax(y_k) | log(mean(softmax(y_k))) |

so that probabilities, their logarithms, predictions, scores and losses need not know of members. Lakshminarayanan,
Pritzel and Blundell, Simple and scalable predictive uncertainty estimation using deep ensembles (2017).
"""

from __future__ import annotations

import dataclasses
from functools import partial
from math import log
from typing import Any

from xpnn.arrays.namespaces import Array, namespace_of
from xpnn.estimators.objectives import Objective, is_own
from xpnn.nn.module import Module
from xpnn.optim.clipping import clip_by_global_norm

__all__ = ["Averaged", "averaged", "clipped_each", "of_members"]


class Averaged(Module):
    """A network whose outputs (members, n, outputs) become one, (n, outputs), in evaluation.

    Parameters
    ----------
    network
        Of `EnsembleLinear` and the like.
    link, questions
        As those of the `Objective`.
    """

    def __init__(self, network: Module, link: str, questions: tuple[int, ...] = ()) -> None:
        self.network, self.link, self.questions = network, link, list(questions)

    def forward(self, x: Any) -> Any:
        y = self.network(x)
        return y if self.training else averaged(y, self.link, self.questions)


def averaged(y: Array, link: str, questions: Any = ()) -> Array:
    """Outputs (n, outputs) that mean the average of what those of the members, (members, n, outputs), mean.

    `questions` are the numbers of classes of several questions; empty for one.

    Examples
    --------
    >>> import numpy
    >>> one = averaged(numpy.log(numpy.asarray([[[1.0, 3.0]], [[1.0, 1.0]]])), "softmax")
    >>> numpy.exp(one)
    array([[0.375, 0.625]])
    """
    xp = namespace_of(y)
    if link == "identity":
        return xp.mean(y, axis=0)
    if link == "exp":
        return _log_mean_exp(y)
    if link == "logistic":
        return _log_mean_exp(_log_logistic(y)) - _log_mean_exp(_log_logistic(-y))
    parts, start = [], 0
    for classes in questions or [y.shape[2]]:
        parts.append(_log_mean_exp(_log_softmax(y[:, :, start : start + classes])))
        start += classes
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=1)


def _log_mean_exp(z: Array) -> Array:
    """log(mean(exp(z))) over the members."""
    xp = namespace_of(z)
    top = xp.max(z, axis=0)
    return top + xp.log(xp.sum(xp.exp(z - top), axis=0)) - log(z.shape[0])


def _log_logistic(z: Array) -> Array:
    xp = namespace_of(z)
    return -xp.maximum(-z, 0 * z) - xp.log1p(xp.exp(-xp.abs(z)))


def _log_softmax(z: Array) -> Array:
    xp = namespace_of(z)
    z = z - xp.max(z, axis=-1, keepdims=True)
    return z - xp.log(xp.sum(xp.exp(z), axis=-1, keepdims=True))


def of_members(objective: Objective, members: int) -> Objective:
    """The same objective for several networks at once: the sum of their losses, shown as their mean.

    In evaluation it is the loss of the averaged outputs, times `members`, so that what is shown is that loss itself.
    """
    loss = _one_by_one if is_own(objective) else _as_rows
    of_all = partial(loss, loss=objective.loss, members=members)
    return dataclasses.replace(objective, loss=of_all, reported=objective.reported * members)


def _as_rows(y: Array, t: Array, *, loss: Any, members: int, sample_weight: Array | None = None) -> Array:
    """Every member's rows as rows of one batch: `loss` is their (weighted) mean."""
    if y.ndim == 3:
        y = namespace_of(y).reshape(y, (-1, y.shape[2]))
        t = _repeated(t, members)
        sample_weight = None if sample_weight is None else _repeated(sample_weight, members)
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    return loss(y, t, **weight) * float(members)


def _repeated(array: Array, members: int) -> Array:
    """All rows again for each member, (members n, ...)."""
    xp = namespace_of(array)
    stretched = xp.broadcast_to(xp.expand_dims(array, axis=0), (members, *array.shape))
    return xp.reshape(stretched, (-1, *array.shape[1:]))


def _one_by_one(y: Array, t: Array, *, loss: Any, members: int, sample_weight: Array | None = None) -> Array:
    """The sum of a loss that may be anything, not only a mean over rows."""
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    if y.ndim == 2:
        return loss(y, t, **weight) * float(members)
    losses = [loss(y[k, ...], t, **weight) for k in range(members)]
    return sum(losses[1:], losses[0])


def clipped_each(leaves: list[Array], max_norm: float) -> list[Array]:
    """The gradients, each with the members along its first axis, with those of each member clipped by themselves."""
    members = range(leaves[0].shape[0])
    clipped = [
        clip_by_global_norm([leaf[k, ...] for leaf in leaves], max_norm, nonfinite="propagate")[0] for k in members
    ]
    xp = namespace_of(*leaves)
    return [xp.stack([one[n] for one in clipped]) for n in range(len(leaves))]
