"""Optimizers, learning-rate schedules and gradient clipping."""

from xpnn.optim.adam import Adam, AdamW
from xpnn.optim.adam_relatives import Adamax, NAdam, RAdam
from xpnn.optim.averaging import GradientAccumulator, WeightAverage
from xpnn.optim.base import Optimizer
from xpnn.optim.clipping import clip_by_global_norm, global_norm
from xpnn.optim.cycles import cosine_annealing, cosine_restarts, cyclic, one_cycle, warmup_cosine
from xpnn.optim.descent import SGD, Lion
from xpnn.optim.lbfgs import LBFGS
from xpnn.optim.muon import Muon
from xpnn.optim.schedules import (
    Schedule,
    constant,
    cosine_decay,
    exponential_decay,
    factor_at_start,
    joined,
    linear,
    milestones,
    polynomial_decay,
    product,
    step_decay,
    warmup,
)
from xpnn.optim.squares import Adadelta, Adagrad, RMSprop

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "GradientAccumulator",
    "LBFGS",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "SGD",
    "Schedule",
    "WeightAverage",
    "clip_by_global_norm",
    "constant",
    "cosine_annealing",
    "cosine_decay",
    "cosine_restarts",
    "cyclic",
    "exponential_decay",
    "factor_at_start",
    "global_norm",
    "joined",
    "linear",
    "milestones",
    "one_cycle",
    "polynomial_decay",
    "product",
    "step_decay",
    "warmup",
    "warmup_cosine",
]
