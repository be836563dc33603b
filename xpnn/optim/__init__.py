"""Optimizers, learning-rate schedules and gradient clipping."""

from xpnn.optim.adam import Adam, AdamW
from xpnn.optim.adam_relatives import Adamax, NAdam, RAdam
from xpnn.optim.base import Optimizer
from xpnn.optim.clipping import clip_by_global_norm, global_norm
from xpnn.optim.descent import SGD, Lion
from xpnn.optim.muon import Muon
from xpnn.optim.schedules import Schedule, constant, cosine_decay, exponential_decay, step_decay, warmup
from xpnn.optim.squares import Adadelta, Adagrad, RMSprop

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Muon",
    "NAdam",
    "RAdam",
    "RMSprop",
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
