"""The step in PyTorch on the GPU: eager, in a CUDA graph made by hand, and compiled."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders import LEARNING_RATE, _between, _named, _shapes
from benchmarks.gpu.findings import Findings
from benchmarks.networks import NETWORKS, Network, batch_of

__all__ = ["TorchStep", "compiled_steps"]


class TorchStep:
    """A training in PyTorch; `x` and `t` are its inputs, which keep their places."""

    def __init__(self, network: Network, *, compiled: bool = False) -> None:
        import torch
        from torch import nn
        from torch.nn import functional

        self.torch = torch
        x, t = batch_of(network)
        self.x, self.t = torch.from_numpy(x).cuda(), torch.from_numpy(t).cuda()
        loss_of = functional.binary_cross_entropy_with_logits if network.binary else functional.cross_entropy
        model = nn.Sequential(*_between(nn.ReLU, [nn.Linear(m, n) for n, m in _shapes(network)]))
        model.load_state_dict({name: torch.from_numpy(array) for name, array in _named(network).items()})
        self.model = model.cuda()
        self.adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True, capturable=True)

        def loss(x: Any, t: Any) -> Any:
            return loss_of(self.model(x), t)

        self._loss = torch.compile(loss, mode="reduce-overhead") if compiled else loss
        self.wait = torch.cuda.synchronize

    def give(self, x: Any, t: Any) -> None:
        """Write a batch, from NumPy, into the inputs."""
        self.x.copy_(self.torch.from_numpy(x))
        self.t.copy_(self.torch.from_numpy(t))

    def step(self) -> Any:
        self.adam.zero_grad(set_to_none=True)
        loss = self._loss(self.x, self.t)
        loss.backward()
        self.adam.step()
        return loss.detach()

    def capture(self) -> TorchStep:
        """From here on `step` replays a graph of all of it; the state is as before."""
        torch = self.torch
        weights = [p.detach().clone() for p in self.model.parameters()]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self.adam.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.step()
        with torch.no_grad():
            for p, weight in zip(self.model.parameters(), weights, strict=True):
                p.copy_(weight)
            for state in self.adam.state.values():
                for part in state.values():
                    part.zero_()

        def replay() -> Any:
            graph.replay()
            return loss

        self.step = replay  # type: ignore[method-assign]
        return self


PREDICTED = (330, 280, 340, 560)


def compiled_steps(findings: Findings, *, seconds: float) -> None:
    """`torch.compile` of loss and gradient with CUDA graphs, and the fused Adam after it."""
    from benchmarks.gpu.steps import microseconds_in_turns

    for network, predicted in zip(NETWORKS.values(), PREDICTED, strict=True):
        with findings.attempt(network.name):
            step = TorchStep(network, compiled=True)
            for _ in range(10):
                step.step()
            step.wait()
            name = f"{network.name}: PyTorch, compiled (reduce-overhead), fused Adam"
            times = microseconds_in_turns({name: step}, seconds=seconds)[name]
            findings.measured(
                name, times, "µs", predicted=predicted, why="launch of 2 graphs, Python around them, Adam 60"
            )
