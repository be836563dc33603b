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


def test_a_plan_says_in_which_buffer_each_result_lies():
    def step(x):
        xp = xpnn.namespace_of(x)
        y = xp.exp(x) * xp.ones_like(x)
        return xp.sum(xp.reshape(xp.sin(y) @ y, (-1,)))

    fast = xpnn.compile(step, state=[numpy.zeros(1)])
    for _ in range(3):
        fast(numpy.ones((4, 4)))
    line = [" ".join(line.split()).partition(" test_printing")[0] for line in str(fast.plan()).splitlines()[3:]]
    assert line == [
        "%2 exp(%1) (4, 4) float64 buffer 0 128 bytes",
        "%3 ones((4, 4), dtype=float64, device='cpu') (4, 4) float64 made once 128 bytes",
        "%4 multiply(%2, %3) (4, 4) float64 buffer 0 128 bytes",
        "%5 sin(%4) (4, 4) float64 buffer 1 128 bytes",
        "%6 matmul(%5, %4) (4, 4) float64 buffer 2 128 bytes 64 multiply-adds",
        "%7 reshape(%6, (-1,)) (16,) float64 a view of %6",
        "%8 sum(%7) () float64 buffer 3 8 bytes",
    ]


def test_work_is_that_of_stacks_too():
    program = recorded(lambda x, w: x @ w, numpy.ones((5, 2, 3)), numpy.ones((3, 4)))
    assert multiply_adds(program.calls[0], program) == 5 * 2 * 3 * 4


def test_an_empty_program():
    assert printed(Program()) == "0 calls, 0 multiply-adds in products, gives nothing"
