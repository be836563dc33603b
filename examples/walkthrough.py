"""Backpropagation step by step: a network for binary classification by hand, and beside each step what xpnn computes.

    python examples/walkthrough.py                  # on a GPU if there is one, else on the CPU
    python examples/walkthrough.py --device cuda    # on the GPU; where there is none, a warning, and the CPU
    python examples/walkthrough.py --plots plots    # also four pictures, as PNG files in the folder plots

It rebuilds a tutorial that made such a network in NumPy. Whatever the tutorial printed is computed again, and the run
stops with an error if a single digit differs (`walkthrough_page.py` holds the digits, and does all the printing).

Read on from here, or read what it prints: each section is a function, and prints its docstring first. The mathematics
names no array library: `xp` stands for the functions of whatever library holds the arrays.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy  # only for the tutorial's random numbers
from walkthrough_page import Page, draw

from xpnn import Device, grad, namespace_of, nn, optim, value_and_grad, vjp
from xpnn.cli.command import add_device_arguments, add_verbose_argument, device_for_command, run_command

Array: TypeAlias = Any
Pair: TypeAlias = tuple[Array, Array]  # Wo and bo, or their slopes

SEED, LEARNING_RATE, STEPS = 1234, 0.01, 1000  # the tutorial's
LARGE_RATE = 3.0  # for the network with two layers, which is ours


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)): any number, squeezed in between 0 and 1."""
    xp = namespace_of(x)
    return 1 / (1 + xp.exp(-x))


def sigmoid_deriv(y: Array) -> Array:
    """The slope of the sigmoid, from its output y = sigmoid(x), not from x."""
    return y * (1 - y)


def sum_of_errors(Wo: Array, bo: Array, x: Array, y_true: Array) -> Array:
    """How wrong the network is: the squared distances of its answers from the right ones, added up."""
    errors = (y_true - sigmoid(x @ Wo + bo)) ** 2
    return namespace_of(errors).sum(errors)


def slopes(function: Callable[[Array], Array], x: Array) -> Array:
    """What xpnn finds: how each number that `function` makes changes with the number that it was made of."""
    y, back = vjp(function, x)
    return back(namespace_of(y).ones_like(y))[0]


def walk(device: Device, plots: Path | None = None) -> None:
    """Go through all sections."""
    page = Page(device)
    page.say("BACKPROPAGATION, BY HAND AND BY XPNN", "", f"device: {device.describe()}")
    page.section(the_idea)
    val_x = the_sigmoid(page)
    x, y_true, first, second = data_and_weights(page)
    forward(page, x, y_true, *first)
    deltas = backward(page, x, y_true, *first)
    nudging(page, x, y_true, *first)
    update(page, x, y_true, first, deltas)
    trained, history = training(page, x, y_true, *second)
    layers(page, x, y_true, second, trained)
    two_layers(page, x)
    page.section(what_next)
    page.close()
    if plots:
        points = val_x, x @ first[0] + first[1]
        curve, rows = ({"x": x, "y": sigmoid(x), "slope": sigmoid_deriv(sigmoid(x))} for x in points)
        draw(plots, page, curve, {**rows, "y_true": y_true}, history)


def the_idea() -> None:
    """The idea.

    A network is a formula with knobs in it, its weights. To train it: see how wrong its answers are,
    find out for each knob which way to turn it so that they become less wrong, turn every knob a
    little that way, and start again.

    So everything hangs on one question, asked of every knob: if I turn it a tiny bit, by how much
    does the error change? The answer is a slope (a derivative), and the slopes of all knobs together
    are the gradient. One could simply try: turn a knob, run the network, look, turn it back, take the
    next knob. With a million knobs that is a million runs for one small improvement. Backpropagation
    finds all slopes for about the price of two more runs.

    How? The error is made in small steps,

        x ---[ times Wo, plus bo ]---> ho ---[ sigmoid ]---> y_pred ---[ (y_true - y_pred)² ]---> error

    and steps behave like gears. If one wheel turns the next twice as fast as itself, and that one
    turns a third three times as fast, then the first turns the third two times three times as fast.
    Slopes of steps that follow one another are multiplied. This is the chain rule:

        slope of error in Wo = slope of ho in Wo × slope of y_pred in ho × slope of error in y_pred
                                      x             y_pred (1 - y_pred)      -2 (y_true - y_pred)

    Backpropagation is the chain rule read from the right, from the error backwards: each product is
    computed once, and serves all the weights in front of it.

    Below, each factor is found by hand, and beside it stands what xpnn finds, which has not been told
    any of these formulas. The names are the tutorial's: dMSE_dy is the slope of the error in y_pred.
    """


def the_sigmoid(page: Page) -> Array:
    """The sigmoid, a switch without a jump.

    The network shall say yes or no. A switch does that, but its slope is zero on both sides of the
    jump: no hint which way to turn a knob. The sigmoid 1 / (1 + exp(-x)) is a soft switch: near 0 for
    very negative x, near 1 for very positive x, and smooth in between.

    Its slope: write y = 1 / u with u = 1 + exp(-x), two gears. The slope of y in u is -1 / u², the
    slope of u in x is -exp(-x), and their product is exp(-x) / u² = (1 / u) × (exp(-x) / u). Here
    1 / u is y, and exp(-x) / u is 1 - y. So the slope is y (1 - y), for free once y is known. Mind
    that sigmoid_deriv takes the output y; to hand it x is a common mistake.
    """
    page.section(the_sigmoid)
    xp = page.device.xp
    val_x = xp.linspace(-10, 10, 1000, dtype=xp.float64, device=page.device.array_device)
    sigmoid_y = sigmoid(val_x)
    dev_sigmoid_y = sigmoid_deriv(sigmoid_y)
    page.show("val_x", "linspace(-10, 10, 1000), a few of them", (), val_x)
    page.show("sigmoid_y", "sigmoid(val_x)", (val_x,), sigmoid_y)
    page.show("dev_sigmoid_y", "sigmoid_deriv(sigmoid_y)", (sigmoid_y,), dev_sigmoid_y, slopes(sigmoid, val_x))
    page.tell(
        f"The largest slope is {page.number(xp.max(dev_sigmoid_y)):.6f}, in the middle; at the end it is "
        f"{page.number(dev_sigmoid_y[-1]):.6f}. Far out a sigmoid hardly answers to its knobs: it is saturated, and "
        "learns slowly even where it is wrong."
    )
    return val_x


def data_and_weights(page: Page) -> tuple[Array, Array, Pair, Pair]:
    """The data and the first weights.

    Four examples, the rows of x, with three inputs each; y_true is the answer wanted for each row. Look
    closely, and you see that it repeats the first input. The network is not told. Here and below, the
    four rows are printed side by side.

    Weights start at random, bo at zero. The tutorial drew Wo from NumPy's legacy generator, which
    numpy.random.RandomState still gives, bit for bit. (For new work there are numpy.random.default_rng
    and xpnn's own model.initialize(seed).) It later draws a second Wo for the training, but not from
    where the first one ended: some numbers in between are gone, as happens when a notebook's cell is
    run again. What a notebook prints depends on which cells were run, and how often.

    The tutorial's x and y_true are integers. We make them float64 before computing: whether integers
    and floats may mix depends on the array library, and slopes need real numbers anyway.
    """
    page.section(data_and_weights)
    device, xp = page.device, page.device.xp
    x = device.asarray([[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]])
    y_true = device.asarray([[0], [1], [1], [0]])
    normals = numpy.random.RandomState(SEED).randn(12, 1)
    Wo, second_Wo = device.asarray(normals[:3]), device.asarray(normals[9:])
    bo = xp.zeros((1,), dtype=xp.float64, device=device.array_device)
    for name, value in {"x": x, "y_true": y_true, "Wo": Wo, "bo": bo}.items():
        page.show(name, "", (), value)
    return xp.astype(x, xp.float64), xp.astype(y_true, xp.float64), (Wo, bo), (second_Wo, bo)


def forward(page: Page, x: Array, y_true: Array, Wo: Array, bo: Array) -> None:
    """Forward: from the inputs to the error.

    For one row: multiply each input by its weight, add up, add bo, and squeeze the sum through the
    sigmoid. As a product of matrices all rows go at once. The shapes stand on the right; when lost in
    a formula, follow the shapes: (rows, inputs) @ (inputs, 1) is (rows, 1).
    """
    page.section(forward)
    xp = page.device.xp
    ho = x @ Wo + bo
    y_pred = sigmoid(ho)
    errors = (y_true - y_pred) ** 2
    page.show("ho", "x @ Wo + bo", (x, Wo, bo), ho)
    page.show("y_pred", "sigmoid(ho)", (ho,), y_pred)
    page.show("MSE", "(y_true - y_pred)²", (y_true, y_pred), errors)
    page.show("mean of MSE", "mean(MSE)", (errors,), xp.mean(errors))
    page.tell(
        "(The M in MSE stands for mean, yet the tutorial's MSE holds the squared errors one by one.) How often is "
        "the network right? It says yes where y_pred > 0.5, which is where ho > 0; exactly 0.5 counts as no. (Where "
        "the tutorial says np.float, say float64: NumPy has dropped the name.)"
    )
    y_pred_class = xp.astype(y_pred > 0.5, xp.float64)
    y_match = xp.astype(y_true == y_pred_class, xp.float64)
    acc = xp.sum(y_match) / x.shape[0]
    page.show("y_pred_class", "y_pred > 0.5, as 0 or 1", (y_pred,), y_pred_class)
    page.show("y_match", "y_true == y_pred_class", (y_true, y_pred_class), y_match)
    page.show("acc", "sum(y_match) / rows", (y_match,), acc)
    page.tell(
        f"An accuracy of {page.number(acc)} sounds like half a success, but this network says yes to everything. And "
        "while weights move a little, accuracy stands still, until some y_pred crosses 0.5: it has no slope to "
        "follow. So accuracy is what we report, and the squared errors are what we learn from."
    )


def backward(page: Page, x: Array, y_true: Array, Wo: Array, bo: Array) -> Pair:
    """Backward: from the error to the slope of every weight.

    Take the three steps from the right, one slope each, and multiply on the way. xpnn runs the forward
    formula, notes down each operation, and then walks through its notes backwards, just as we do here.

    Step three, the square. The slope of d² is 2 d, and d = y_true - y_pred falls when y_pred rises,
    which gives a factor of -1. (The tutorial's words take a root here; its formula is right.)
    """
    page.section(backward)
    xp = page.device.xp
    ho = x @ Wo + bo
    y_pred = sigmoid(ho)

    dMSE_dy = -2 * (y_true - y_pred)
    by_xpnn = slopes(lambda y: (y_true - y) ** 2, y_pred)
    page.show("dMSE_dy", "-2 * (y_true - y_pred)", (y_true, y_pred), dMSE_dy, by_xpnn)
    page.tell("Positive: y_pred is too high. Negative: too low. Step two, the sigmoid:")
    dy_dho = sigmoid_deriv(y_pred)
    page.show("dy_dho", "y_pred * (1 - y_pred)", (y_pred,), dy_dho, slopes(sigmoid, ho))
    page.tell("Steps two and three together: the gears of each row are multiplied.")
    dMSE_dho = dMSE_dy * dy_dho
    by_xpnn = slopes(lambda ho: (y_true - sigmoid(ho)) ** 2, ho)
    page.show("dMSE_dho", "dMSE_dy * dy_dho", (dMSE_dy, dy_dho), dMSE_dho, by_xpnn)
    a, b, product = (page.number(array[0, 0]) for array in (dMSE_dy, dy_dho, dMSE_dho))
    page.tell(
        f"In the first row: {a:.8f} × {b:.8f} = {product:.8f}. Step one, the weighted sum: the slope of ho in a "
        "weight is the input which that weight multiplies, and its slope in bo is 1."
    )
    rows = xp.eye(x.shape[0], dtype=x.dtype, device=page.device.array_device)
    back = vjp(lambda Wo, bo: x @ Wo + bo, Wo, bo)[1]
    of_rows = [back(rows[:, row : row + 1]) for row in range(x.shape[0])]  # ask about one row of ho at a time
    dho_dWo, dho_dbo = x, xp.ones_like(y_true)
    page.show("dho_dWo", "x", (x,), integers(dho_dWo), integers(xp.stack([dWo[:, 0] for dWo, _ in of_rows])))
    page.show("dho_dbo", "ones", (), integers(dho_dbo), integers(xp.stack([dbo for _, dbo in of_rows])))
    page.tell(
        "All three steps together. Every row uses the same weights, so the effects of a weight on the rows add up: "
        "its slope is the sum over the rows of input × dMSE_dho. As a product of matrices, x is turned on its side. "
        "The shapes leave no other way, for a gradient has the shape of what it belongs to."
    )
    delta_Wo, delta_bo = dho_dWo.T @ dMSE_dho, dho_dbo.T @ dMSE_dho
    dWo, dbo = grad(sum_of_errors, argnums=(0, 1))(Wo, bo, x, y_true)
    page.show("delta_Wo", "dho_dWo.T @ dMSE_dho", (dho_dWo.T, dMSE_dho), delta_Wo, dWo)
    page.show("delta_bo", "dho_dbo.T @ dMSE_dho", (dho_dbo.T, dMSE_dho), delta_bo, xp.reshape(dbo, (1, 1)))
    terms = zip(page.host(x[:, 0]), page.host(dMSE_dho[:, 0]), strict=True)
    total = " + ".join(f"{a:.0f} × ({b:.4f})" for a, b in terms)
    page.tell(f"For the first weight: {total} = {page.number(delta_Wo[0, 0]):.4f}.")
    return delta_Wo, xp.reshape(delta_bo, bo.shape)


def integers(x: Array) -> Array:
    """Whole numbers as such, which is how the tutorial prints them."""
    xp = namespace_of(x)
    return xp.astype(x, xp.int64)


def nudging(page: Page, x: Array, y_true: Array, Wo: Array, bo: Array) -> None:
    """Do not believe it: nudge a weight, and look.

    A slope is a promise about tiny turns of a knob. So turn one, the second weight, by h up and by h
    down, and divide the difference of the errors by 2 h. This central difference needs no derivative
    at all. xpnn's own rules are tested like this; test yours like this too.
    """
    page.section(nudging)
    slope = page.number(grad(sum_of_errors)(Wo, bo, x, y_true)[1, 0])
    knob = page.device.asarray([[0.0], [1.0], [0.0]])
    page.say(f"    {'backpropagation':34}{slope:.12f}")
    for h in (1e-1, 1e-2, 1e-3, 1e-5, 1e-8, 1e-11):
        up, down = sum_of_errors(Wo + h * knob, bo, x, y_true), sum_of_errors(Wo - h * knob, bo, x, y_true)
        nudged = page.number(up - down) / (2 * h)
        page.say(f"    {f'(up - down) / 2 h,  h = {h:g}':34}{nudged:.12f}    off by {abs(nudged - slope):.0e}")
    page.tell(
        "A smaller h is better, until up and down agree in so many digits that their difference is mostly rounding. "
        "It is a fine check, and no way to train: it takes two runs for every single weight."
    )


def update(page: Page, x: Array, y_true: Array, parameters: Pair, deltas: Pair) -> None:
    """The update: a small step downhill.

    The slopes tell which way the error grows. Go the other way: subtract a small part of them. How
    small is the learning rate. Too large, and the step overshoots, since slopes promise something
    about tiny turns only; too small, and it takes for ever.
    """
    page.section(update)
    (Wo, bo), (delta_Wo, delta_bo), rows = parameters, deltas, x.shape[0]
    updated = Wo - LEARNING_RATE * delta_Wo, bo - LEARNING_RATE * delta_bo
    page.show("updated Wo", f"Wo - {LEARNING_RATE} * delta_Wo", (Wo, delta_Wo), updated[0])
    page.show("updated bo", f"bo - {LEARNING_RATE} * delta_bo", (bo, delta_bo), updated[1])

    def mean_of_errors(Wo: Array, bo: Array) -> Array:
        return nn.squared_error(sigmoid(x @ Wo + bo), y_true)

    before, after = page.number(mean_of_errors(Wo, bo)), page.number(mean_of_errors(*updated))
    page.tell(f"The mean of the squared errors was {before:.8f}; after this step it is {after:.8f}.")
    page.tell(
        "A trap: the tutorial reports the mean of the squared errors, but differentiates their sum. Nowhere does it "
        f"divide by the {rows} rows. xpnn's squared_error takes the mean; these are its slopes, times {rows}:"
    )
    page.show("delta_Wo", f"{rows} * slopes of the mean", (), delta_Wo, rows * grad(mean_of_errors)(Wo, bo))
    page.tell(
        f"So the learning rate acts {rows} times as strongly here as it would on the mean: {LEARNING_RATE} does what "
        f"{rows * LEARNING_RATE} would do there. With so few rows that is harmless. With a million it would throw the "
        "weights far off, which is why libraries take the mean unless told otherwise."
    )


def training(page: Page, x: Array, y_true: Array, Wo: Array, bo: Array) -> tuple[Pair, dict[str, Array]]:
    """Training: the same again and again.

    Forward, backward, update, from a second set of random weights (the tenth to twelfth normal). Two
    networks train side by side: one with the formulas from above, the other with value_and_grad, which
    gives the error and its slopes in one go and knows the forward formula only.
    """
    page.section(training)
    xp = page.device.xp
    page.show("second Wo", "", (), Wo)
    page.show("second bo", "", (), bo)
    xpnn_Wo, xpnn_bo = Wo, bo
    losses, accuracies, apart = [], [], []
    for _ in range(STEPS):
        # by hand
        y_pred = sigmoid(x @ Wo + bo)
        losses.append(xp.mean((y_true - y_pred) ** 2))
        accuracies.append(xp.mean(xp.astype((y_pred > 0.5) == (y_true > 0.5), xp.float64)))
        dMSE_dho = -2 * (y_true - y_pred) * sigmoid_deriv(y_pred)
        Wo = Wo - LEARNING_RATE * (x.T @ dMSE_dho)
        bo = bo - LEARNING_RATE * xp.sum(dMSE_dho, axis=0)
        # by xpnn
        error, (dWo, dbo) = value_and_grad(sum_of_errors, argnums=(0, 1))(xpnn_Wo, xpnn_bo, x, y_true)
        xpnn_Wo = xpnn_Wo - LEARNING_RATE * dWo
        xpnn_bo = xpnn_bo - LEARNING_RATE * dbo
        apart.append(xp.abs(losses[-1] - error / x.shape[0]))

    page.say("", f"    {'step':>6}{'mean of squared errors':>26}{'accuracy':>12}")
    for step in (*range(0, STEPS, STEPS // 5), STEPS - 1):
        page.say(f"    {step:6}{page.number(losses[step]):26.8f}{page.number(accuracies[step]):12.2f}")
    page.say("")
    page.show("trained Wo", f"second Wo, {STEPS} updates later", (), Wo, xpnn_Wo)
    page.show("trained bo", f"second bo, {STEPS} updates later", (), bo, xpnn_bo)
    page.tell(
        f"The errors of the two networks never were further apart than {page.number(xp.max(xp.stack(apart))):.1e}. "
        "The loss falls smoothly; the accuracy waits, and jumps by one row at a time. The first weight is now by far "
        "the largest of the three: the network has found out that the answer repeats the first input."
    )
    return (Wo, bo), {"loss": xp.stack(losses), "accuracy": xp.stack(accuracies)}


def layers(page: Page, x: Array, y_true: Array, start: Pair, trained: Pair) -> None:
    """The same in six lines.

    Nobody writes this out for every network. A layer holds its weights, a loss knows its formula, an
    optimizer does the update, and the slopes come by themselves. The training once more, from the
    same weights:
    """
    page.section(layers)
    model = six_lines(page.device, *start, x, y_true)
    page.code(six_lines)
    weight, bias = model.parameters()
    page.tell(
        f"Linear keeps its weight as (outputs, inputs), here {weight.shape}, a row for each neuron, as PyTorch does; "
        f"the tutorial's Wo is (inputs, outputs), {trained[0].shape}. So Wo goes in turned on its side, as Wo.T. And "
        'reduction="sum" is the trap from above: without it, the loss would be the mean.'
    )
    page.show("trained Wo.T", "the layer's weight", (), trained[0].T, weight)
    page.show("trained bo", "the layer's bias", (), trained[1], bias)


def six_lines(device: Device, Wo: Array, bo: Array, x: Array, y_true: Array) -> nn.Module:
    """The tutorial's network and its training, in layers."""
    model = nn.Sequential(nn.Linear(3, 1, dtype="float64"), nn.Sigmoid()).to(device)
    model.load_state_dict({"0.weight": Wo.T, "0.bias": bo})
    optimizer = optim.SGD(model, learning_rate=LEARNING_RATE)
    for _ in range(STEPS):
        gradient = grad(lambda model: nn.squared_error(model(x), y_true, reduction="sum"))(model)
        optimizer.step(gradient)
    return model


def two_layers(page: Page, x: Array) -> None:
    """A second layer, and what it is for.

    Now the answer shall be yes where exactly one of the first two inputs is 1 (exclusive or). No single
    neuron can learn that. Add up the first two rows of x, and the last two: the sums are equal. So
    whatever the weights, ho of the first two rows adds up to the same as ho of the last two. But both
    of the first ought to be negative, and both of the last positive.

    A hidden layer of neurons can help: it makes new inputs, and nobody tells it which. How does the
    error reach its weights W1? By the same gears. A hidden output h turns ho as fast as its weight in
    W2 is large, so dE_dho goes back through W2; then comes the slope of the sigmoid, as before; then
    the inputs, as before. With more layers the same lines repeat, layer by layer, from the last to the
    first. This is why it is called backpropagation.
    """
    page.section(two_layers)
    y_true = page.device.asarray([[0.0], [0.0], [1.0], [1.0]])
    first, last = nn.Linear(3, 3, dtype="float64"), nn.Linear(3, 1, dtype="float64")
    model = nn.Sequential(first, nn.Sigmoid(), last, nn.Sigmoid()).initialize(seed=0).to(page.device)
    h = sigmoid(x @ first.weight.T + first.bias)
    y_pred = sigmoid(h @ last.weight.T + last.bias)
    dE_dho = -2 * (y_true - y_pred) / x.shape[0] * sigmoid_deriv(y_pred)  # of the mean, this time
    dE_dh = dE_dho @ last.weight
    dE_dW1, dE_dW2 = (dE_dh * sigmoid_deriv(h)).T @ x, dE_dho.T @ h
    _, by_xpnn = value_and_grad(mean_loss)(model, x, y_true)
    page.show("dE_dW2", "dE_dho.T @ h", (dE_dho.T, h), dE_dW2, by_xpnn[2].weight)
    page.show("dE_dW1", "(dE_dho @ W2 * h * (1 - h)).T @ x", (dE_dh.T, x), dE_dW1, by_xpnn[0].weight)

    neuron = nn.Sequential(nn.Linear(3, 1, dtype="float64"), nn.Sigmoid()).initialize(seed=0).to(page.device)
    losses = [page.number(descend(network, x, y_true)) for network in (neuron, model)]
    page.tell(
        f"Trained for {STEPS} steps with a learning rate of {LARGE_RATE} on the mean of the squared errors, one neuron "
        f"ends at an error of {losses[0]:.6f}, the two layers at {losses[1]:.6f}. Row by row:"
    )
    page.say("    inputs   hidden neurons h        y_pred of two layers   of one neuron   wanted")
    for inputs, hidden, y, of_neuron, wanted in zip(
        *map(page.host, (x, model[1](model[0](x)), model(x), neuron(x), y_true)), strict=True
    ):
        outputs = "  ".join(f"{output:.4f}" for output in hidden)
        page.say(f"    {inputs[0]:.0f}  {inputs[1]:.0f}     {outputs}{y[0]:22.4f}{of_neuron[0]:16.4f}{wanted[0]:9.0f}")
    page.tell(
        "The single neuron ends at the same half-hearted answer for every row. Look at the hidden neurons: the first "
        "asks whether both inputs are 1, the last whether any is. Any, but not both: that is exclusive or, and a "
        "neuron behind them can say it. Nobody told them to ask this; the slopes did."
    )


def mean_loss(model: nn.Module, x: Array, y_true: Array) -> Array:
    """The mean of the squared errors of any model."""
    return nn.squared_error(model(x), y_true)


def descend(model: nn.Module, x: Array, y_true: Array) -> Array:
    """Train any model; give its loss in the end."""
    optimizer = optim.SGD(model, learning_rate=LARGE_RATE)
    for _ in range(STEPS):
        optimizer.step(grad(mean_loss)(model, x, y_true))
    return mean_loss(model, x, y_true)


def what_next() -> None:
    """What to read next.

    examples/binary_classification.py   a network of any depth on real data, judged on rows it never saw
    xpnn/nn/activations.py              the sigmoid and others, value and derivative on one screen
    xpnn/autodiff/tape.py               how xpnn notes down operations, and walks back through its notes
    docs/architecture.md                how it all fits together, and how to add a layer of your own

    D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations by back-propagating
    errors, Nature 323 (1986): the four pages that made the method known. You can read them now.
    I. Goodfellow, Y. Bengio and A. Courville, Deep Learning (2016), section 6.5: the general form.
    """


def run(arguments: argparse.Namespace) -> None:
    """Check what can be checked before the work, then walk."""
    device = device_for_command(arguments.device, no_fallback=arguments.no_fallback)
    if arguments.plots and find_spec("matplotlib") is None:
        raise ValueError("--plots needs matplotlib: pip install matplotlib")
    if arguments.plots:
        arguments.plots.mkdir(parents=True, exist_ok=True)
    walk(device, arguments.plots)


def main(words: list[str]) -> int:
    """Run the command line `words`; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw the tutorial's four pictures there")
    add_device_arguments(parser)
    add_verbose_argument(parser)
    return run_command(run, parser.parse_args(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
