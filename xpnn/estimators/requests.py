"""What an estimator asks of scikit-learn's metadata routing (`set_fit_request`, ...), as plain values."""

from __future__ import annotations

from typing import Any

from sklearn.utils.metadata_routing import WARN

__all__ = ["requests_of", "set_requests"]


def requests_of(estimator: Any) -> dict[str, dict[str, Any]] | None:
    """By method and name of what is passed: True, False, None, scikit-learn's `WARN` or another name. None: nothing but
    defaults.
    """
    if "_metadata_request" not in vars(estimator):
        return None
    requests = estimator._metadata_request
    return {
        method: dict(getattr(requests, method).requests) for method in estimator._get_metadata_request()._serialize()
    }


def set_requests(estimator: Any, given: Any) -> None:
    """Let an estimator ask for what another did.

    Raises
    ------
    ValueError, TypeError
        If it has no such methods, or they take nothing of that name, or an alias is none.
    """
    if given is None:
        return
    requests = estimator._get_metadata_request()
    known = requests._serialize()
    for method, names in given.items():
        for name, alias in names.items():
            if name not in known.get(method, {}):
                raise ValueError(f"{str(method)[:100]} asks for no {str(name)[:100]}")
            known_word = isinstance(alias, str) and (alias.isidentifier() or alias == WARN)
            if not (alias is None or isinstance(alias, bool) or known_word):
                raise ValueError(f"{method} cannot ask for {name} by {alias!r:.100}")
            getattr(requests, method).add_request(param=name, alias=alias)
    estimator._metadata_request = requests
