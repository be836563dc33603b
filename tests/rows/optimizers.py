"""Rows of optimizers and schedules."""

from xpnn import optim

OPTIMIZERS = {
    "SGD": lambda model: optim.SGD(model, learning_rate=0.1),
    "SGD with momentum": lambda model: optim.SGD(model, learning_rate=0.1, momentum=0.5),
    "SGD with Nesterov's": lambda model: optim.SGD(
        model, learning_rate=0.1, momentum=0.5, nesterov=True, weight_decay=0.1
    ),
    "Adam": lambda model: optim.Adam(model, learning_rate=0.1, epsilon=1e-2, weight_decay=0.1),
    "AdamW": lambda model: optim.AdamW(model, learning_rate=0.1, weight_decay=0.1),
    "Adam in groups": lambda model: optim.Adam(model, learning_rate=0.1, groups={"bias": {"learning_rate": 0.01}}),
}
for name, schedule in (
    ("constant", optim.constant(0.1)),
    ("step_decay", optim.step_decay(0.1, steps=2)),
    ("exponential_decay", optim.exponential_decay(0.1, factor=0.5)),
    ("cosine_decay", optim.cosine_decay(0.1, steps=4)),
    ("warmup", optim.warmup(0.1, steps=3)),
):
    OPTIMIZERS[f"SGD, {name}"] = lambda model, schedule=schedule: optim.SGD(model, learning_rate=schedule)
