"""Adam on one flat array as one kernel, beside our own step on CuPy and PyTorch's fused one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from benchmarks.gpu.clock import host_microseconds, replayed_microseconds, span_microseconds
from benchmarks.gpu.findings import Findings

__all__ = ["adam_kernel", "optimizers", "vector_kernel"]

SIZES = (2_000, 100_000, 2_000_000)
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
STEPS = 20

# 1 - betaᵗ is taken as -expm1(t log beta): in float32, and right for small t
INPUTS = "float32 g, raw float32 rate, raw int64 step, " + ", ".join(
    f"float32 {name}" for name in ("beta1", "beta2", "log_beta1", "log_beta2", "epsilon")
)
OUTPUTS = "float32 p, float32 m, float32 v"
BODY = """
const float t = (float) step[0];
const float length = rate[0] / -expm1(t * log_beta1);
const float root = (float) 1 / sqrt(-expm1(t * log_beta2));
m += (1 - beta1) * (g - m);
v += (1 - beta2) * (g * g - v);
p -= length * m / (sqrt(v) * root + epsilon);
"""
VECTOR = r"""
extern "C" __global__ void adam(
    float4* p, float4* m, float4* v, const float4* g, const float* rate, const long long* step,
    float beta1, float beta2, float log_beta1, float log_beta2, float epsilon, int size
) {
    const float t = (float) step[0];
    const float length = rate[0] / -expm1f(t * log_beta1), root = rsqrtf(-expm1f(t * log_beta2));
    for (int k = blockIdx.x * blockDim.x + threadIdx.x; k < size; k += gridDim.x * blockDim.x) {
        float4 p4 = p[k], m4 = m[k], v4 = v[k], g4 = g[k];
#define ONE(e) \
        m4.e += (1 - beta1) * (g4.e - m4.e); v4.e += (1 - beta2) * (g4.e * g4.e - v4.e); \
        p4.e -= length * m4.e / (sqrtf(v4.e) * root + epsilon);
        ONE(x) ONE(y) ONE(z) ONE(w)
        p[k] = p4; m[k] = m4; v[k] = v4;
    }
}
"""
# Predicted microseconds for the three sizes. On the device: 28 bytes a parameter, 56 MB for the largest at 3 TB/s, or
# less, as 32 MB of it fit in the L2 cache; small ones take a kernel's 2, and the count of steps a kernel of 1.5. Ours
# makes 25 calls of 6 µs on the host.
PREDICTED = {
    "one kernel, host": (11, 11, 11), "one kernel in a graph": (3.5, 4, 19),
    "one kernel by fours in a graph": (3.5, 3.8, 16),
    "xpnn.optim.Adam on CuPy": (170, 170, 200), "PyTorch, fused and capturable": (35, 35, 35),
    "PyTorch, fused, in a graph": (5, 5, 18),
}  # fmt: skip


def adam_kernel() -> Any:
    import cupy

    return cupy.ElementwiseKernel(
        INPUTS, OUTPUTS, BODY,
        "adam", no_return=True,
    )  # fmt: skip


def vector_kernel() -> Any:
    import cupy

    return cupy.RawKernel(VECTOR, "adam")


def optimizers(findings: Findings, *, seconds: float) -> None:
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for position, size in enumerate(SIZES):
            with findings.attempt(f"{size} parameters"):
                _compare(findings, size, position, stream)


def _compare(findings: Findings, size: int, position: int, stream: Any) -> None:
    import cupy

    p = cupy.random.standard_normal(size, dtype="float32")
    gradients = [cupy.random.standard_normal(size, dtype="float32") for _ in range(4)]
    exact = _exact(p, gradients)
    for name, make in {"one kernel": _fused, "one kernel by fours": _by_fours}.items():
        with findings.attempt(f"{size}: {name}"):
            update, result = make(p, gradients[0])
            _check(findings, f"{size}: {name}", lambda k, u=update: u(gradients[k % 4]), result, exact, stream)
            call = lambda u=update: u(gradients[0])  # noqa: E731
            if name in ("one kernel",):
                findings.measured(
                    f"{size}: {name}, host",
                    host_microseconds(call, stream.synchronize),
                    "µs",
                    predicted=PREDICTED["one kernel, host"][position],
                )
            times = replayed_microseconds(call, stream, times=50)
            findings.measured(
                f"{size}: {name} in a graph", times, "µs", predicted=PREDICTED[f"{name} in a graph"][position]
            )
    with findings.attempt(f"{size}: xpnn.optim.Adam on CuPy"):
        name = "xpnn.optim.Adam on CuPy"
        update, result = _ours(p, gradients[0])
        _check(findings, f"{size}: {name}", lambda k: update(gradients[k % 4]), result, exact, stream)
        times = span_microseconds(lambda: update(gradients[0]), stream)
        findings.measured(f"{size}: {name}", times, "µs", predicted=PREDICTED[name][position])
    with findings.attempt(f"{size}: PyTorch"):
        _pytorch(findings, size, position, p, gradients, exact)


def _exact(p: Any, gradients: list[Any]) -> Any:
    """The parameters after some steps, in float64."""
    import cupy

    p = p.astype("float64")
    m, v = cupy.zeros_like(p), cupy.zeros_like(p)
    for t in range(1, STEPS + 1):
        g = gradients[(t - 1) % 4].astype("float64")
        m += (1 - BETA1) * (g - m)
        v += (1 - BETA2) * (g * g - v)
        p = p - RATE / (1 - BETA1**t) * m / (cupy.sqrt(v) / math.sqrt(1 - BETA2**t) + EPSILON)
    return p


def _check(
    findings: Findings, name: str, step: Callable[[int], Any], result: Callable[[], Any], exact: Any, stream: Any
) -> None:
    import cupy

    for k in range(STEPS):
        step(k)
    stream.synchronize()
    error = float(cupy.max(cupy.abs(cupy.asarray(result()).astype("float64") - exact)))
    # 20 steps of 0.001, each rounded to the 24 bits of a parameter up to 5
    right = error < 1e-5
    findings.found(
        f"{name}: after {STEPS} steps",
        "right" if right else "WRONG",
        predicted="right",
        note=f"off by {error:.1e} at most",
    )


def _fused(p: Any, g: Any) -> tuple[Callable[[Any], None], Callable[[], Any]]:
    import cupy

    kernel, p = adam_kernel(), p.copy()
    m, v = cupy.zeros_like(p), cupy.zeros_like(p)
    rate, step = cupy.full((1,), RATE, dtype="float32"), cupy.zeros((1,), dtype="int64")
    count = cupy.ElementwiseKernel("", "int64 step", "step += 1", "count", no_return=True)
    logs = math.log(BETA1), math.log(BETA2)

    def update(g: Any) -> None:
        count(step)
        kernel(g, rate, step, BETA1, BETA2, *logs, EPSILON, p, m, v)

    return update, lambda: p


def _by_fours(p: Any, g: Any) -> tuple[Callable[[Any], None], Callable[[], Any]]:
    import cupy

    kernel, p = vector_kernel(), p.copy()
    m, v = cupy.zeros_like(p), cupy.zeros_like(p)
    rate, step = cupy.full((1,), RATE, dtype="float32"), cupy.zeros((1,), dtype="int64")
    count = cupy.ElementwiseKernel("", "int64 step", "step += 1", "count", no_return=True)
    f = cupy.float32
    numbers = (f(BETA1), f(BETA2), f(math.log(BETA1)), f(math.log(BETA2)), f(EPSILON), cupy.int32(p.size // 4))
    blocks = min(-(-p.size // 4 // 256), 132 * 8)

    def update(g: Any) -> None:
        count(step)
        kernel((blocks,), (256,), (p, m, v, g, rate, step, *numbers))

    return update, lambda: p


def _ours(p: Any, g: Any) -> tuple[Callable[[Any], None], Callable[[], Any]]:
    from xpnn import nn, optim

    model = nn.Linear(p.size, 1, bias=False).to("cuda")
    model.weight[...] = p
    optimizer = optim.Adam(model, learning_rate=RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
    return lambda g: optimizer.step([g.reshape(1, -1)]), lambda: model.weight.reshape(-1)


def _pytorch(findings: Findings, size: int, position: int, p: Any, gradients: list[Any], exact: Any) -> None:
    import cupy
    import torch

    stream = torch.cuda.Stream()
    weight = torch.nn.Parameter(torch.as_tensor(cupy.asnumpy(p)).cuda())
    on_torch = [torch.as_tensor(cupy.asnumpy(g)).cuda() for g in gradients]
    adam = torch.optim.Adam([weight], lr=RATE, betas=(BETA1, BETA2), eps=EPSILON, fused=True, capturable=True)

    def step(k: int) -> None:
        weight.grad = on_torch[k % 4]
        adam.step()

    class Waits:
        synchronize = staticmethod(torch.cuda.synchronize)

    name = "PyTorch, fused and capturable"
    _check(findings, f"{size}: {name}", step, lambda: cupy.asarray(weight.detach().cpu().numpy()), exact, Waits)
    times = host_microseconds(lambda: step(0), torch.cuda.synchronize)
    findings.measured(f"{size}: {name}, host", times, "µs", predicted=PREDICTED[name][position])
    with torch.cuda.stream(stream):
        step(0)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(50):
            step(0)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    for _ in range(9):
        torch.cuda.synchronize()
        begin.record()
        graph.replay()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 100 * 1e3)
    name = "PyTorch, fused, in a graph"
    findings.measured(f"{size}: {name}", times[2:], "µs", predicted=PREDICTED[name][position])
