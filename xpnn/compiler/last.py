"""What the last calls were like, so that the next like one of them finds its plan without a look-up."""

from __future__ import annotations

from typing import Any

from xpnn.compiler.guards import same_arguments
from xpnn.compiler.plans import Plan
from xpnn.compiler.state import Key, State

__all__ = ["LastCall"]


class LastCall:
    """One such call.

    Attributes
    ----------
    token
        What the state was like.
    plan
        What was replayed.
    count, fits
        How many arguments there were, and whether others are like them.
    """

    __slots__ = ("count", "fits", "plan", "token")

    def __init__(self, token: Key, kinds: list[Any], plan: Plan, state: State) -> None:
        self.token, self.plan = token, plan
        self.count = len(kinds)
        self.fits = same_arguments(kinds, token.memory(state).owners)
