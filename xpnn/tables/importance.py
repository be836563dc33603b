"""How much a trained model leans on each column: its score when that column's values are shuffled among the rows.

Shuffling keeps a column's values and takes away what they have to do with the target. A column that others can stand
in for shows little: it is importance to this model, not in the world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from xpnn.arrays.random import permutation
from xpnn.tables.features import Features

__all__ = ["permutation_importance"]


def permutation_importance(
    predict: Callable[[Features], Any],
    features: Features,
    t: Any,
    metric: Callable[[Any, Any], float],
    *,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, numpy.ndarray]:
    """For each column of the table, by how much the score falls when it is shuffled.

    Breiman, Random forests (2001), section 10; for any model as in Fisher, Rudin and Dominici, All models are wrong,
    but many are useful (2019). All that a column has become, such as one-hot columns and its indicator, is shuffled
    together; since a row's features come from that row alone, that is the same as shuffling the column itself.

    Parameters
    ----------
    predict
        From `Features` to a model's outputs, of any device.
    features
        Of rows that the model was not trained on.
    t
        What `metric` compares with, a row for each.
    metric
        `metric(y, t)`, a number. Larger numbers are better; of a metric of errors give the negative:
        `lambda y, t: -mean_absolute_error(y, t)`.
    repeats
        How often each column is shuffled.
    seed
        Decides the orders; the same for every column.

    Returns
    -------
    dict
        For each column an array of shape (repeats,): the score less that with the column shuffled. In order of the
        mean, the largest first.

    Raises
    ------
    ValueError
        If there are no rows or `repeats` is not a positive integer.

    Examples
    --------
    >>> from xpnn.tables.preprocessing import Preprocessing
    >>> frame = {"a": [1.0, 2.0, 3.0, 4.0, 5.0], "b": [0.0, 3.0, 1.0, 0.0, 1.0]}
    >>> features = Preprocessing(scaling="none").fit(frame).transform(frame)
    >>> t = numpy.asarray(frame["a"])
    >>> falls = permutation_importance(lambda x: x.numeric[:, 0], features, t, lambda y, t: -abs(y - t).mean())
    >>> list(falls), falls["b"].tolist()
    (['a', 'b'], [0.0, 0.0, 0.0, 0.0, 0.0])
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"permutation_importance expected repeats to be an integer of 1 or more, got {repeats!r}")
    if not len(features):
        raise ValueError("permutation_importance expected at least one row, got none")
    score = metric(predict(features), t)
    orders = [permutation(len(features), seed=seed, stream="importance", step=step) for step in range(repeats)]
    falls = {
        source: numpy.asarray([score - metric(predict(features.permuted(source, order)), t) for order in orders])
        for source in dict.fromkeys(features.sources + features.code_names)
    }
    return dict(sorted(falls.items(), key=lambda item: -item[1].mean()))
