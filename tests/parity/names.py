"""What PyTorch's names are here: modules, optimizers, the arguments of both, and how inputs go in.

An argument that a case does not give is not given to ours either, so that the defaults are compared too. A name that is
not in a table, or whose value ours does not have, leaves the case out, with the reason in words.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy


class LeftOut(Exception):
    """A case that is not run; the message says why."""


ARGUMENTS = {  # of all modules; None: where it lives, which ours say elsewhere or always have
    "dim": "axis",
    "eps": "epsilon",
    "num_features": "features",
    "num_groups": "groups",
    "num_channels": "channels",
    "normalized_shape": "shape",
    "elementwise_affine": "affine",
    "track_running_stats": "track",
    "divisor_override": "divisor",
    "count_include_pad": "count_padding",
    "device": None,
    "dtype": None,
    "inplace": None,
}


@dataclass(frozen=True)
class Twin:
    """Our module in the place of one of PyTorch's, and what is special about it.

    `arguments` adds to `ARGUMENTS`; `options(options, inputs)` and `inputs(inputs, options)` may change our options and
    the inputs of `forward`, after their names were changed; `state` renames PyTorch's parameters and buffers.
    """

    name: str
    arguments: dict[str, str | None] = field(default_factory=dict)
    options: Callable[[dict[str, Any], list[Any]], dict[str, Any]] = lambda options, inputs: options
    inputs: Callable[[list[Any], dict[str, Any]], list[Any]] = lambda inputs, options: inputs
    state: dict[str, str] = field(default_factory=dict)


def leave_out(options, name, reason, fits=lambda value: value is None):
    """Leave the case out if it gives an argument that ours do not have, unless its value means nothing."""
    if name in options and not fits(options.pop(name)):
        raise LeftOut(reason)
    return options


def classes_second(options, inputs):
    """PyTorch's classes are the second axis, ours the last unless told."""
    return options if inputs and inputs[0].ndim < 2 else {**options, "axis": 1}


def item_weight(options, inputs):
    """PyTorch's `weight` of BCE multiplies the losses, also in the mean; it may have any shape that stretches."""
    return leave_out(options, "weight", "a weight that multiplies the losses, of a shape that stretches: multiply them")


def batch_mean(options, inputs):
    """'batchmean' is one of our words, written otherwise."""
    return {**options, "reduction": "batch_mean"} if options.get("reduction") == "batchmean" else options


def alike(inputs, options):
    """Integer targets in the dtype of the outputs, which ours ask for."""
    return [inputs[0], *(x.astype(inputs[0].dtype) for x in inputs[1:])]


def padded_with(mode):
    """One of our Pad1d, Pad2d, Pad3d with a mode."""
    return lambda options, inputs: {**options, "mode": mode}


WEIGHT = {"weight": "class_weight"}
MODULES = {
    **{name: Twin(name) for name in (
        "Linear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d "
        "AvgPool1d AvgPool2d AvgPool3d MaxPool1d MaxPool2d MaxPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d "
        "AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d "
        "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm GroupNorm RMSNorm "
        "CELU ELU GELU GLU Hardsigmoid Hardswish LogSigmoid LogSoftmax Mish ReLU "
        "ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softsign Tanh Tanhshrink Threshold"
    ).split()},
    "Bilinear": Twin("Bilinear", {"in1_features": "in_features_1", "in2_features": "in_features_2"}),
    "LocalResponseNorm": Twin("LocalResponseNorm", {"k": "offset"}),
    "Embedding": Twin(
        "Embedding", {"num_embeddings": "categories", "embedding_dim": "features", "padding_idx": "padding_index"}
    ),
    "Hardtanh": Twin("Hardtanh", {"min_val": "low", "max_val": "high"}),
    "Hardshrink": Twin("Hardshrink", {"lambd": "threshold"}),
    "Softshrink": Twin("Softshrink", {"lambd": "threshold"}),
    "LeakyReLU": Twin("LeakyReLU", {"negative_slope": "slope"}),
    "PReLU": Twin("PReLU", {"num_parameters": "channels", "init": "initial"}),
    **{f"{torch}Pad{n}d": Twin(f"Pad{n}d", options=padded_with(mode)) for n in (1, 2, 3) for torch, mode in (
        ("Reflection", "reflect"), ("Replication", "replicate"), ("Circular", "circular"), ("Zero", "constant"),
        ("Constant", "constant"),
    )},
    "L1Loss": Twin("AbsoluteError"),
    "MSELoss": Twin("SquaredError"),
    "HuberLoss": Twin("HuberError"),
    "SmoothL1Loss": Twin("SmoothAbsoluteError"),
    "BCELoss": Twin("BinaryCrossEntropy", options=item_weight),
    "BCEWithLogitsLoss": Twin("BinaryCrossEntropyWithLogits", {"pos_weight": "positive_weight"}, item_weight),
    "CrossEntropyLoss": Twin("CrossEntropy", WEIGHT, classes_second, state=WEIGHT),
    "NLLLoss": Twin("NegativeLogLikelihood", WEIGHT, classes_second, state=WEIGHT),
    "KLDivLoss": Twin("KLDivergence", options=batch_mean),
    "GaussianNLLLoss": Twin("GaussianNegativeLogLikelihood"),
    "PoissonNLLLoss": Twin("PoissonNegativeLogLikelihood"),
    "HingeEmbeddingLoss": Twin("HingeEmbedding"),
    "SoftMarginLoss": Twin("SoftMargin"),
    "MarginRankingLoss": Twin("MarginRanking", inputs=alike),
    "CosineEmbeddingLoss": Twin("CosineEmbedding"),
    "MultiMarginLoss": Twin("MultiMargin", {"p": "power", **WEIGHT}, state=WEIGHT),
    "MultiLabelSoftMarginLoss": Twin("MultiLabelSoftMargin", WEIGHT, state=WEIGHT, inputs=alike),
}  # fmt: skip
DIFFERENT: dict[str, str] = {  # cases in which we differ on purpose, by the beginning of their name, and why
    "nn.CrossEntropyLoss 20 2d_ignore_index_mean": "all labels are ignored: the mean is 0, PyTorch's NaN",
}


def bound(function, args, kwargs):
    """The arguments of a call by name, without those left to their defaults."""
    found = inspect.signature(function).bind(*args, **kwargs).arguments
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(found.pop(name, {}))
    return found


def converted(value):
    """PyTorch's arrays as NumPy's, PyTorch's numbers of shape () as Python's."""
    return numpy.array(value.detach()) if hasattr(value, "detach") else value


def our_options(twin, kind, given, inputs=()):
    """Our constructor's options for PyTorch's; LeftOut if ours has no such option."""
    renamed = {}
    for name, value in given.items():
        ours = {**ARGUMENTS, **twin.arguments}.get(name, name)
        if ours is not None:
            renamed[ours] = converted(value)
    renamed = twin.options(renamed, list(inputs))
    known = inspect.signature(kind.__init__).parameters
    for name in renamed:
        if name not in known:
            raise LeftOut(f"{twin.name} has no option {name}")
    return {**renamed, "dtype": "float64"} if "dtype" in known else renamed


@dataclass(frozen=True)
class TwinOptimizer:
    """Our optimizer in the place of one of PyTorch's; `arguments` and `state` add to what all have in common.

    `calls_loss`: whether a step is not made from gradients but computes them, several times.
    """

    name: str
    arguments: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    calls_loss: bool = False

    def renamed(self, name, value):
        """Our options for one of PyTorch's."""
        if name == "betas":
            return {f"beta{n}": beta for n, beta in enumerate(value, 1)}
        if self.arguments.get(name) == "line_search" and value is not None:
            raise LeftOut("ours is another line search for the same conditions, so its iterates differ")
        value = float(value) if isinstance(value, numpy.ndarray) and value.ndim == 0 else value
        return {{"lr": "learning_rate", "eps": "epsilon", **self.arguments}.get(name, name): value}


MEANS = {"exp_avg": "mean", "exp_avg_sq": "square"}
OPTIMIZERS = {
    "SGD": TwinOptimizer("SGD", state={"momentum_buffer": "velocity"}),
    "Adam": TwinOptimizer("Adam", state={**MEANS, "max_exp_avg_sq": "largest_square"}),
    "AdamW": TwinOptimizer("AdamW", state={**MEANS, "max_exp_avg_sq": "largest_square"}),
    "Adamax": TwinOptimizer("Adamax", state={"exp_avg": "mean", "exp_inf": "largest"}),
    "NAdam": TwinOptimizer("NAdam", state={**MEANS, "mu_product": "momentum_product"}),
    "RAdam": TwinOptimizer("RAdam", state=MEANS),
    "Adagrad": TwinOptimizer(
        "Adagrad", {"lr_decay": "rate_decay", "initial_accumulator_value": "initial_sum"}, {"sum": "sum"}
    ),
    "Adadelta": TwinOptimizer("Adadelta", {"rho": "decay"}, {"square_avg": "square", "acc_delta": "square_of_steps"}),
    "RMSprop": TwinOptimizer(
        "RMSprop", {"alpha": "decay"}, {"square_avg": "square", "grad_avg": "mean", "momentum_buffer": "velocity"}
    ),
    "LBFGS": TwinOptimizer(
        "LBFGS",
        {
            "max_iter": "iterations",
            "max_eval": "evaluations",
            "tolerance_grad": "gradient_tolerance",
            "tolerance_change": "change_tolerance",
            "history_size": "history",
            "line_search_fn": "line_search",
        },
        calls_loss=True,
    ),
    "Muon": TwinOptimizer(
        "Muon",
        {"ns_steps": "iterations", "ns_coefficients": "coefficients", "adjust_lr_fn": "scale"},
        {"momentum_buffer": "velocity"},
    ),
}

SCHEDULES = {  # compared step by step in tests/optim/test_schedules_against_pytorch.py
    "StepLR": "step_decay",
    "MultiStepLR": "milestones",
    "ExponentialLR": "exponential_decay",
    "ConstantLR": "factor_at_start",
    "LinearLR": "linear",
    "PolynomialLR": "polynomial_decay",
    "CosineAnnealingLR": "cosine_annealing",
    "CosineAnnealingWarmRestarts": "cosine_restarts",
    "CyclicLR": "cyclic",
    "OneCycleLR": "one_cycle",
    "SequentialLR": "joined",
    "ChainedScheduler": "product",
    "LambdaLR": "any function of the step, or product",
    "MultiplicativeLR": "none: the rate depends on the rates before, not on the step alone",
    "ReduceLROnPlateau": "none: the rate depends on the losses before",
}
