"""Rows of optimizers and schedules."""

from xpnn import optim

USED_ROWS = {"weight": {"used_rows_only": True}}
OPTIMIZERS = {
    "SGD": lambda model: optim.SGD(model, learning_rate=0.1),
    "SGD with momentum": lambda model: optim.SGD(model, learning_rate=0.1, momentum=0.5, dampening=0.3),
    "SGD with Nesterov's": lambda model: optim.SGD(
        model, learning_rate=0.1, momentum=0.5, nesterov=True, weight_decay=0.1
    ),
    "Adam": lambda model: optim.Adam(model, learning_rate=0.1, epsilon=1e-2, weight_decay=0.1),
    "Adam, amsgrad": lambda model: optim.Adam(model, learning_rate=0.1, epsilon=1e-2, amsgrad=True),
    "AdamW": lambda model: optim.AdamW(model, learning_rate=0.1, weight_decay=0.1),
    "Adam in groups": lambda model: optim.Adam(model, learning_rate=0.1, groups={"bias": {"learning_rate": 0.01}}),
    "Adam of used rows": lambda model: optim.Adam(model, learning_rate=0.1, epsilon=1e-2, groups=USED_ROWS),
    "Adamax": lambda model: optim.Adamax(model, learning_rate=0.1, weight_decay=0.1),
    "NAdam": lambda model: optim.NAdam(model, learning_rate=0.1, epsilon=1e-2, weight_decay=0.1),
    "RAdam": lambda model: optim.RAdam(
        model, learning_rate=0.1, beta2=0.9, epsilon=1e-2, weight_decay=0.1, decoupled_weight_decay=True
    ),
    "Adagrad": lambda model: optim.Adagrad(model, learning_rate=0.1, rate_decay=0.1, initial_sum=0.1),
    "Adadelta": lambda model: optim.Adadelta(model, learning_rate=0.1, weight_decay=0.1),
    "RMSprop": lambda model: optim.RMSprop(model, learning_rate=0.01, epsilon=1e-2),
    "RMSprop, centered, with momentum": lambda model: optim.RMSprop(
        model, learning_rate=0.01, centered=True, momentum=0.5, epsilon=0.1
    ),
    "Lion": lambda model: optim.Lion(model, learning_rate=0.01, weight_decay=0.1),
    "Muon": lambda model: optim.Muon(without_bias(model), learning_rate=0.1),
}


def without_bias(model):
    """The model with its bias set aside: Muon moves matrices."""
    return model.freeze("bias")


for name, schedule in (
    ("constant", optim.constant(0.1)),
    ("step_decay", optim.step_decay(0.1, steps=2)),
    ("exponential_decay", optim.exponential_decay(0.1, factor=0.5)),
    ("cosine_decay", optim.cosine_decay(0.1, steps=4)),
    ("warmup", optim.warmup(0.1, steps=3)),
    ("milestones", optim.milestones(0.1, steps=[2, 4], factor=0.5)),
    ("linear", optim.linear(0.1, steps=4)),
    ("factor_at_start", optim.factor_at_start(0.1, steps=2)),
    ("polynomial_decay", optim.polynomial_decay(0.1, steps=9, power=2.0)),
    ("joined", optim.joined([optim.linear(0.1, steps=2), 0.2, optim.exponential_decay(0.1, factor=0.5)], steps=[2, 4])),
    ("product", optim.product(0.1, [optim.linear(1.0, steps=4), optim.exponential_decay(1.0, factor=0.5)])),
    ("cosine_annealing", optim.cosine_annealing(0.1, steps=3)),
    ("cosine_restarts", optim.cosine_restarts(0.1, steps=2, growth=2)),
    ("cyclic", optim.cyclic(0.01, 0.1, steps_up=2, steps_down=3, mode="triangular2")),
    ("one_cycle", optim.one_cycle(0.1, steps=9)),
    ("warmup_cosine", optim.warmup_cosine(0.1, steps=9, warmup_steps=3)),
):
    OPTIMIZERS[f"SGD, {name}"] = lambda model, schedule=schedule: optim.SGD(model, learning_rate=schedule)
