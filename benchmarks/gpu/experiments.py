"""The experiments: what each asks, where it is written, and how long it may take."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.networks import NETWORKS

__all__ = ["EXPERIMENTS", "Experiment"]


class Experiment(NamedTuple):
    """A function `function(findings, *arguments, seconds)` of a module of this package."""

    name: str
    asks: str
    module: str
    function: str
    arguments: tuple[str, ...] = ()
    limit: int = 60  # seconds
    environment: dict[str, str] = {}  # noqa: RUF012  never changed


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
PRODUCTS = {
    "cublas": "products in a CUDA graph: cuBLAS by ctypes",
    "cublaslt": "products in a CUDA graph: cuBLASLt by ctypes",
    "nvmath-cublas": "products in a CUDA graph: cuBLAS by nvmath-python's bindings",
    "nvmath-matmul": "products in a CUDA graph: nvmath-python's Matmul",
    "cutensor": "products in a CUDA graph: cuTENSOR by cupyx.cutensor",
    "each": "products in a CUDA graph, one by one, by cuBLAS",
    "eager": "products without a graph, and PyTorch's in one",
}

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in [
        Experiment("ceilings", "what the card can do at most", "ceilings", "ceilings"),
        Experiment("host", "what a call keeps the host", "host_cost", "host_costs"),
        *(
            Experiment(f"step-{name}", f"a training step, batch {network.batch}", "steps", "step", (name,), 120)
            for name, network in NETWORKS.items()
        ),
        *(Experiment(f"products-{n}", asks, "products", "products", (n,)) for n, asks in PRODUCTS.items()),
        Experiment("optimizer", "Adam as one kernel", "optimizer", "optimizers"),
        Experiment("epilogues", "bias and activation inside products, in a CUDA graph", "epilogues", "epilogues"),
        Experiment("precision", "TF32 and bfloat16 products: time and error", "precision", "precisions"),
        Experiment("cpu", "the compiled step on the CPU, one thread", "cpu", "steps_on_cpu", (), 60, ONE_THREAD),
        Experiment("start", "import, context, first kernel", "start", "starts"),
        Experiment("torch-compile", "PyTorch compiled with CUDA graphs", "torch_steps", "compiled_steps", (), 120),
    ]
}
