"""PyTorch's own cases for modules: outputs, gradients of inputs and parameters, and buffers afterwards, in float64."""

import warnings

import numpy
import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import xpnn
from parity.judging import close, judged
from parity.names import MODULES, LeftOut, bound, converted, our_options
from xpnn import nn


def results(wanted):
    """A result for each case of PyTorch's `module_db` whose module has a `wanted` name."""
    for info in (info for info in module_db if wanted(info.name)):
        for training in (True, False) if info.train_and_eval_differ else (True,):
            torch.manual_seed(0)
            mode = "" if training or not info.train_and_eval_differ else ", evaluation"
            for number, case in enumerate(_cases(info, info.module_inputs_func, training)):
                name = f"{info.name} {number}{mode} {case.desc}".strip()
                yield judged("modules", info.name, name, _check, info, case, training)
            if info.module_error_inputs_func:
                for number, case in enumerate(_cases(info, info.module_error_inputs_func, training)):
                    name = f"{info.name} wrong input {number}{mode}"
                    yield judged("wrong inputs of modules", info.name, name, _check_raises, info, case, training)


def _cases(info, make, training):
    return make(info, device="cpu", dtype=torch.float64, requires_grad=True, training=training)


def _twin(info):
    name = info.name.removeprefix("nn.")
    twin = MODULES.get(name)
    if twin is None or not hasattr(nn, twin.name):
        raise LeftOut("xpnn has no such module")
    return twin


def _inputs(call):
    """The arguments of `forward` in order, as leaves of PyTorch's graph, and as NumPy arrays."""
    theirs = [
        x.detach().clone().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x for x in call.values()
    ]
    return theirs, [converted(x) for x in theirs]


def _ours(twin, info, case, training, inputs):
    """Our module for a case."""
    kind = getattr(nn, twin.name)
    call = case.constructor_input
    options = our_options(twin, kind, bound(info.module_cls, call.args, call.kwargs), inputs)
    return lambda: kind(**options).train(training), options


def _check(info, case, training):
    twin = _twin(info)
    judge = info.module_cls(*case.constructor_input.args, **case.constructor_input.kwargs).double().train(training)
    theirs, arrays = _inputs(bound(judge.forward, case.forward_input.args, case.forward_input.kwargs))
    make, options = _ours(twin, info, case, training, arrays)
    module = make()
    ours = twin.inputs(arrays, options)
    module.load_state_dict({twin.state.get(name, name): converted(x) for name, x in judge.state_dict().items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = _flat(judge(*theirs))
    wanted = [n for n, x in enumerate(theirs) if isinstance(x, torch.Tensor) and x.requires_grad]
    outputs, gradients, of_parameters = _gradients(module, ours, wanted)
    for n, (y, other) in enumerate(zip(outputs, expected, strict=True)):
        close(f"output {n}", y, other.detach())
    total = sum((y * torch.tensor(_weights(tuple(y.shape)))).sum() for y in expected if y.is_floating_point())
    if total.requires_grad:
        total.backward()
    for n, gradient in zip(wanted, gradients, strict=True):
        close(f"gradient of input {n}", gradient, _or_zeros(theirs[n]))
    for name, p in judge.named_parameters():
        close(f"gradient of {name}", of_parameters[twin.state.get(name, name)], _or_zeros(p))
    for name, array in judge.state_dict().items():
        close(f"{name} afterwards", module.state_dict()[twin.state.get(name, name)], array)


def _or_zeros(x):
    return torch.zeros_like(x) if x.grad is None else x.grad


def _check_raises(info, case, training):
    twin, error = _twin(info), case.error_on
    wrong = case.module_error_input
    if error == ModuleErrorEnum.CONSTRUCTION_ERROR:
        make, _ = _ours(twin, info, wrong, training, [])
        return _raises(make)
    judge = info.module_cls(*wrong.constructor_input.args, **wrong.constructor_input.kwargs)
    _, arrays = _inputs(bound(judge.forward, wrong.forward_input.args, wrong.forward_input.kwargs))
    make, options = _ours(twin, info, wrong, training, arrays)
    return _raises(lambda: make()(*twin.inputs(arrays, options)))


def _raises(call):
    """Raise AssertionError unless `call()` raises an error that a user gets for wrong input."""
    try:
        call()
    except (ValueError, TypeError, IndexError):
        return
    raise AssertionError("no error was raised")


def _gradients(module, inputs, wanted):
    """The outputs, and the gradients of the inputs `wanted` and of the parameters by name."""
    found = []

    def loss(module, *chosen):
        places = dict(zip(wanted, chosen, strict=True))
        outputs = _flat(module(*(places.get(n, x) for n, x in enumerate(inputs))))
        found.extend(outputs)
        xp = xpnn.namespace_of(*outputs)
        return sum(xp.sum(y * xp.asarray(_weights(y.shape))) for y in outputs if "float" in str(y.dtype))

    leaves = bool(list(module.named_parameters()))
    arguments = (module, *(inputs[n] for n in wanted))
    argnums = tuple(range(0 if leaves else 1, len(arguments)))
    if not argnums:
        loss(*arguments)
        return found, [], {}
    (_, outputs), gradients = xpnn.value_and_grad(lambda *a: (loss(*a), list(found)), argnums=argnums, aux=True)(
        *arguments
    )
    of_module, of_inputs = (gradients[0], gradients[1:]) if leaves else (None, gradients)
    return outputs, of_inputs, dict(of_module.named_parameters()) if leaves else {}


def _flat(outputs):
    if isinstance(outputs, tuple | list):
        return [part for y in outputs for part in _flat(y)]
    return [outputs]


def _weights(shape):
    return numpy.cos(numpy.arange(numpy.prod(shape, dtype=int))).reshape(shape)
