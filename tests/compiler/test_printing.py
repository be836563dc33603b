"""Plans as text: a line for each call, and the work counted."""

import numpy

import xpnn
from xpnn.compiler.printing import multiply_adds, printed
from xpnn.compiler.program import Program
from xpnn.compiler.recorder import Recorder


def recorded(step, *arrays):
    """The program of `step`, whose arguments are `arrays`."""
    recorder = Recorder(xpnn.namespace_of(*arrays))
    with recorder:
        result = step(*(recorder.given(array, "argument", f"x{n}") for n, array in enumerate(arrays)))
        recorder.program.outputs = [recorder.ref(result)]
    return recorder.program


def step(x, w):
    xp = xpnn.namespace_of(x, w)
    y = x @ w.T
    y += 0.5
    return xp.sum(xp.concat([y, y * y], axis=0)[1:, :2], axis=(0, 1))


def test_each_call_has_its_line():
    lines = printed(recorded(step, numpy.ones((2, 3), "float32"), numpy.ones((4, 3), "float32"))).splitlines()
    assert lines[0] == "7 calls, 24 multiply-adds in products, gives %7"
    assert lines[1:3] == ["  %0 an argument, x0: (2, 3) float32", "  %1 an argument, x1: (4, 3) float32"]
    line = [" ".join(line.split()).partition(" test_printing")[0] for line in lines[3:]]
    assert line == [
        "%2 permute_dims(%1, (1, 0)) (3, 4) float32 a view of %1",
        "%3 matmul(%0, %2) (2, 4) float32 32 bytes 24 multiply-adds",
        "%3[...] add(%3, 0.5) (2, 4) float32 32 bytes",
        "%4 multiply(%3, %3) (2, 4) float32 32 bytes",
        "%5 concat([%3, %4], axis=0) (4, 4) float32 64 bytes",
        "%6 getitem(%5, (1:, :2)) (3, 2) float32 a view of %5",
        "%7 sum(%6, axis=(0, 1)) () float32 4 bytes",
    ]


def test_places_are_shown_where_they_are_known():
    program = recorded(step, numpy.ones((2, 3)), numpy.ones((4, 3)))
    assert "buffer 7" in printed(program, {3: "buffer 7"})


def test_work_is_that_of_stacks_too():
    program = recorded(lambda x, w: x @ w, numpy.ones((5, 2, 3)), numpy.ones((3, 4)))
    assert multiply_adds(program.calls[0], program) == 5 * 2 * 3 * 4


def test_an_empty_program():
    assert printed(Program()) == "0 calls, 0 multiply-adds in products, gives nothing"
