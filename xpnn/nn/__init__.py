"""Layers, losses and models."""

from xpnn.nn import initializers
from xpnn.nn.activations import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from xpnn.nn.declarations import Buffer, Parameter
from xpnn.nn.dense import Linear, linear
from xpnn.nn.dropout import Dropout, dropout
from xpnn.nn.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    SquaredError,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    squared_error,
)
from xpnn.nn.module import Module
from xpnn.nn.sequential import Sequential

__all__ = [
    "GELU",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "Buffer",
    "CrossEntropy",
    "Dropout",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "SquaredError",
    "Tanh",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "gelu",
    "initializers",
    "leaky_relu",
    "linear",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "squared_error",
    "tanh",
]
