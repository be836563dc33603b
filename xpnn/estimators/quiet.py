"""xpnn's log says nothing of the fits of estimators: a line for each of a hundred fits of a search is no help, and an
estimator goes on after Ctrl-C in another way than a trainer. What other threads do meanwhile is logged as ever.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["unlogged"]

_here = threading.local()


def _is_logged(record: logging.LogRecord) -> bool:
    return not getattr(_here, "fits", 0)


logging.getLogger("xpnn").addFilter(_is_logged)


@contextmanager
def unlogged() -> Iterator[None]:
    """What this thread does within is not logged."""
    _here.fits = getattr(_here, "fits", 0) + 1
    try:
        yield
    finally:
        _here.fits -= 1
