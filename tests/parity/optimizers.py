"""PyTorch's own cases for optimizers: parameters and state after some steps from equal gradients, in float64."""

import warnings
from inspect import signature
from unittest import mock

import numpy
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import xpnn
from parity.judging import close, judged
from parity.names import OPTIMIZERS, LeftOut, converted
from xpnn import nn, optim

STEPS = 20
X, T = (numpy.random.default_rng(n).standard_normal((6, 4)) for n in (0, 1))


def results(wanted):
    """A result for each case of PyTorch's `optim_db` whose optimizer has a `wanted` name."""
    torch.set_default_dtype(torch.float64)  # in which PyTorch keeps numbers such as NAdam's product
    for info in (info for info in optim_db if wanted(info.name)):
        torch.manual_seed(0)
        for number, case in enumerate(info.optim_inputs_func(device="cpu", dtype=torch.float64)):
            yield judged("optimizers", info.name, f"{info.name} {number} {case.desc}", _check, info, case)
        if info.optim_error_inputs_func:
            for number, case in enumerate(info.optim_error_inputs_func(device="cpu", dtype=torch.float64)):
                name = f"{info.name} wrong input {number} {case.optimizer_error_input.desc}"
                yield judged("wrong inputs of optimizers", info.name, name, _check_raises, info, case)


def _twin(info):
    twin = OPTIMIZERS.get(info.name)
    if twin is None or not hasattr(optim, twin.name):
        raise LeftOut("xpnn has no such optimizer")
    return twin


def _options(info, twin, given):
    """Our options for PyTorch's, the learning rate always, since ours have no default for SGD."""
    options, known = {}, signature(getattr(optim, twin.name).__init__).parameters
    for name, value in {"lr": signature(info.optim_cls.__init__).parameters["lr"].default, **given}.items():
        options |= twin.renamed(name, converted(value))
    for name in options:
        if name not in known:
            raise LeftOut(f"{twin.name} has no option {name}")
    return options


def _models(flat):
    """A small network of ours and of PyTorch's with equal weights; `flat` without biases."""
    ours = nn.Sequential(
        nn.Linear(4, 5, bias=not flat, dtype="float64"), nn.Tanh(), nn.Linear(5, 4, bias=not flat, dtype="float64")
    ).initialize(seed=3)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 5, bias=not flat), torch.nn.Tanh(), torch.nn.Linear(5, 4, bias=not flat)
    ).double()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return ours, theirs


def _loss(model):
    return nn.squared_error(model(X), T)


def _check(info, case):
    twin, given = _twin(info), dict(case.kwargs)
    uphill = given.pop("maximize", False)  # of the gradient: a step down the negative one
    options = _options(info, twin, given)
    ours, theirs = _models(flat=info.name == "Muon")
    mine, judge = getattr(optim, twin.name)(ours, **options), info.optim_cls(theirs.parameters(), **case.kwargs)
    for step in range(2 if twin.calls_loss else STEPS):  # of 20 iterations each, along which errors of rounding grow
        gradients = xpnn.grad(_loss)(ours)
        leaves = [g for _, g in gradients.named_parameters()]
        if twin.calls_loss:
            _step_with_losses(mine, judge, theirs)
        else:
            for p, g in zip(theirs.parameters(), leaves, strict=True):
                p.grad = torch.tensor(g)
            with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):  # Muon rounds to that otherwise
                judge.step()
            mine.step([-g if uphill else g for g in leaves])
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            close(f"{name} after step {step + 1}", p, q.detach())
    _check_state(twin, mine, judge, theirs)


def _step_with_losses(mine, judge, theirs):
    def closure():
        judge.zero_grad()
        value = torch.nn.functional.mse_loss(theirs(torch.tensor(X)), torch.tensor(T))
        value.backward()
        return value

    close("the loss", mine.step(_loss), judge.step(closure).detach())


def _check_state(twin, mine, judge, theirs):
    if twin.calls_loss:
        return
    state = mine.state_dict()
    for name, p in theirs.named_parameters():
        for key, array in judge.state[p].items():
            if key == "step":
                close("the number of steps", state["steps"], array)
            elif array is not None:
                if key not in twin.state:
                    raise AssertionError(f"nothing is said about {key}, which {type(judge).__name__} keeps")
                close(f"{key} of {name}", state[f"{name}.{twin.state[key]}"], array)


def _check_raises(info, case):
    twin, wrong = _twin(info), case.optimizer_error_input
    if wrong.params is not None and wrong.desc not in OF_PARAMETERS:
        raise LeftOut("about lists of parameters; ours take a model, which has each parameter once, with its name")
    if case.error_on == OptimizerErrorEnum.STEP_ERROR and "complex" not in wrong.desc:
        raise LeftOut("about a step with a model that ours refuse")
    if wrong.params is not None:
        model, options = OF_PARAMETERS[wrong.desc](), _options(info, twin, dict(wrong.kwargs))
    else:
        model, given = _models(flat=True)[0], dict(wrong.kwargs)
        for name in ("foreach", "capturable"):
            if name in given:
                raise LeftOut(f"about the option {name}, which chooses among PyTorch's own implementations")
        if any(isinstance(part, torch.Tensor) for part in given.get("betas", ())):
            raise LeftOut("about arrays as options, beside numbers")
        options = _options(info, twin, given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            getattr(optim, twin.name)(model, **options)
        except (ValueError, TypeError):
            return
    raise AssertionError("no error was raised")


class _One(nn.Module):
    """A model of one parameter."""

    def __init__(self, array):
        self.weight = nn.Parameter(array)


OF_PARAMETERS = {
    "invalid param type": lambda: numpy.ones((1, 1)),
    "only support 2D parameters": lambda: _One(numpy.ones((2, 3, 4))),
    "only support `original` and `match_rms_adamw`": lambda: _One(numpy.ones((2, 3))),
    "does not support complex parameters": lambda: _One(numpy.ones((2, 3), dtype="complex64")),
}
