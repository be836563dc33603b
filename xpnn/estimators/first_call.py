"""What targets are, said before most of them are seen: `classes` of the first call of `partial_fit`."""

from __future__ import annotations

from typing import Any

import numpy
from sklearn.utils.multiclass import check_classification_targets

from xpnn.estimators.labels import Labels
from xpnn.estimators.placement import on_host

__all__ = ["labels_of_first_call"]


def labels_of_first_call(known: Labels | None, classes: Any, y: Any) -> Labels | None:
    """What `classes` says that targets are, in the first call of `partial_fit`; None in a later one.

    Parameters
    ----------
    known
        What they are since the first call.
    classes
        All classes; of several questions a list of an array for each, as `classes_` is then, and of several labels at
        once the numbers of their columns.
    y
        The targets of the call.

    Raises
    ------
    ValueError
        If there are none in the first call, others in a later one, or not as many as questions or labels.
    """
    if known is not None:
        if classes is not None and not _are(classes, known):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known.classes!r}"
            )
        return None
    if classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    if _are_several(classes):
        check_classification_targets(y)
        labels = Labels.restored("multiclass-multioutput", [numpy.unique(on_host(one)) for one in classes])
    else:
        labels = Labels(on_host(classes), y)
    if labels.kind == "multilabel-indicator" and not _are(classes, labels):
        numbers = labels.classes.tolist()
        raise ValueError(f"classes expected the numbers of the columns of y, {numbers}, got {classes!r:.100}")
    shape = numpy.shape(y)
    questions = shape[1] if len(shape) > 1 else 1
    if labels.kind == "multiclass-multioutput" and not (_are_several(classes) and len(classes) == questions):
        raise ValueError(f"classes expected a list of an array for each question, {questions}, got {classes!r:.100}")
    return labels


def _are_several(classes: Any) -> bool:
    return isinstance(classes, list | tuple) and any(numpy.ndim(on_host(one)) for one in classes)


def _are(classes: Any, known: Labels) -> bool:
    """Whether these are the classes that are known."""
    if not _are_several(classes):
        return not isinstance(known.classes, list) and numpy.array_equal(numpy.unique(on_host(classes)), known.classes)
    if not isinstance(known.classes, list) or len(classes) != len(known.classes):
        return False
    pairs = zip(classes, known.classes, strict=True)
    return all(numpy.array_equal(numpy.unique(on_host(one)), other) for one, other in pairs)
