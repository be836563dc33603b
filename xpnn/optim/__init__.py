"""Optimizers, learning-rate schedules and gradient clipping."""

from xpnn.optim.base import Optimizer
from xpnn.optim.clipping import clip_by_global_norm, global_norm
from xpnn.optim.optimizers import SGD, Adam, AdamW
from xpnn.optim.schedules import Schedule, constant, cosine_decay, exponential_decay, step_decay, warmup

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "Schedule",
    "clip_by_global_norm",
    "constant",
    "cosine_decay",
    "exponential_decay",
    "global_norm",
    "step_decay",
    "warmup",
]
