"""What a graph's work does otherwise than the recorded calls."""

import numpy
import pytest

from xpnn.compiler import graph_steps

X = numpy.arange(24.0).reshape(6, 4)


class Few:
    """NumPy, for 8 arrays at most."""

    def __getattr__(self, name):
        def join(arrays, *, axis):
            assert len(arrays) <= 8
            return getattr(numpy, name)(arrays, axis=axis)

        return join


@pytest.mark.parametrize("count", [1, 8, 9, 70, 600])
@pytest.mark.parametrize(("name", "axis"), [*zip(["stack"] * 2 + ["concat"] * 3, [1, -1, 0, 1, None], strict=True)])
def test_many_arrays_are_joined_some_at_a_time(name, axis, count, monkeypatch):
    monkeypatch.setattr(graph_steps, "namespace_of", lambda *arrays: Few())
    parts = [X[:, : k % 2 + 1] + k if name == "concat" and axis else X * k for k in range(count)]
    found = graph_steps.joined(name, parts, axis=axis)
    numpy.testing.assert_array_equal(found, getattr(numpy, name)(parts, axis=axis))
