"""Einstein's summation convention, by matrix products.

A pattern names the axes of each array by letters: "ij,jk->ik" is the matrix product. Multiply the arrays so that equal
letters meet, and sum over the letters that the result does not have.

Two arrays at a time, from left to right, become one (stack of) matrix product: the letters that both have and the rest
still needs count the stacks, those that only one has are its rows or columns, and those that nobody needs any more are
summed. Everything is done with differentiable functions, so it differentiates to any order.
"""

from __future__ import annotations

from math import prod

from xpnn.arrays.namespaces import Array, is_floating, namespace_of
from xpnn.autodiff.broadcasting import shape_of
from xpnn.autodiff.rules.linalg import diagonal as _diagonal
from xpnn.autodiff.rules.linalg import matmul as _matmul
from xpnn.autodiff.rules.reductions import sum as _sum
from xpnn.autodiff.rules.shaping import permute_dims as _permute_dims
from xpnn.autodiff.rules.shaping import reshape as _reshape

_Letters = tuple[str, ...]  # the axes that an ellipsis stands for are called "1", "2", … from the back


def einsum(subscripts: str, /, *operands: Array) -> Array:
    """Products of arrays, summed over the axes that `subscripts` names and the result does not have.

    Parameters
    ----------
    subscripts
        A letter for each axis of each array, with commas between the arrays, then "->" and the axes of the result. A
        letter that an array has twice takes its diagonal. "..." stands for any further axes, which are broadcast from
        the back. Without "->" the result has the axes of "...", then in alphabetical order the letters that occur once.
    operands
        The arrays, of any library, as many as there are parts in `subscripts`. Axes of one letter have the same length
        (or 1, which is stretched).

    Returns
    -------
    Array
        The result. Products are taken from left to right, two arrays at a time: give the arrays in the order in which
        the products stay small.

    Raises
    ------
    ValueError
        If the pattern cannot be read or does not fit the shapes.

    Examples
    --------
    >>> import numpy
    >>> a, b = numpy.ones((2, 3)), numpy.ones((3, 4))
    >>> einsum("ij,jk->ik", a, b)
    array([[3., 3., 3., 3.],
           [3., 3., 3., 3.]])
    >>> einsum("ii", numpy.eye(3))
    np.float64(3.0)
    >>> einsum("...i,...i->...", a, a)
    array([3., 3.])
    """
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum expected a pattern such as 'ij,jk->ik' first, got {type(subscripts).__name__}")
    if not operands:
        raise ValueError(f"einsum({subscripts!r}) expected arrays after the pattern, got none")
    namespace_of(*operands)
    inputs, output = _parsed(subscripts, operands)
    sizes = _sizes(subscripts, inputs, operands)
    factors = [_without_repeats(x, letters, sizes) for x, letters in zip(operands, inputs, strict=True)]
    x, letters = factors[0]
    for n, (other, others) in enumerate(factors[1:], start=1):
        needed = {*output, *(letter for _, later in factors[n + 1 :] for letter in later)}
        left, right = _summed(x, letters, needed | {*others}), _summed(other, others, needed | {*letters})
        x, letters = _product(*left, *right, needed)
    x, letters = _summed(x, letters, {*output})
    return _permuted(x, tuple(letters.index(letter) for letter in output))


def _parsed(subscripts: str, operands: tuple[Array, ...]) -> tuple[list[_Letters], _Letters]:
    """The letters of each array and of the result."""
    left, arrow, right = "".join(subscripts.split()).partition("->")
    parts = left.split(",")
    for part in (*parts, right):
        letters = part.replace("...", "", 1)
        if letters and not (letters.isascii() and letters.isalpha()):
            _refuse(subscripts, operands, f"letters, at most one '...' in each part and one '->', found {part!r}")
    if len(parts) != len(operands):
        _refuse(subscripts, operands, f"{len(parts)} arrays, one for each part, got {len(operands)}")
    inputs = [_expanded(subscripts, part, n, operands) for n, part in enumerate(parts)]
    rest = max((sum(letter.isdigit() for letter in letters) for letters in inputs), default=0)
    stretched = tuple(str(n) for n in range(rest, 0, -1))
    if not arrow:
        every = [letter for letters in inputs for letter in letters]
        once = sorted(letter for letter in {*every} if letter.isalpha() and every.count(letter) == 1)
        return inputs, (*stretched, *once)
    before, dots, after = right.partition("...")
    output = (*before, *(stretched if dots else ()), *after)
    if stretched and not dots:
        _refuse(subscripts, operands, f"'...' in the result too, where it stands for {rest} axes")
    known = {letter for letters in inputs for letter in letters}
    for letter in output:
        if letter not in known or output.count(letter) > 1:
            what = "in an array" if letter not in known else "once in the result"
            _refuse(subscripts, operands, f"each letter of the result {what}, found {letter!r}")
    return inputs, output


def _expanded(subscripts: str, part: str, position: int, operands: tuple[Array, ...]) -> _Letters:
    """The letters of one array, with numbers from the back for the axes of its ellipsis."""
    before, dots, after = part.partition("...")
    ndim = len(shape_of(operands[position]))
    rest = ndim - len(before) - len(after)
    if rest < 0 or (rest and not dots):
        least = "at least " if dots else ""
        _refuse(
            subscripts, operands, f"{least}{len(before) + len(after)} axes for {part!r}, array {position} has {ndim}"
        )
    return (*before, *(str(n) for n in range(rest, 0, -1)), *after)


def _sizes(subscripts: str, inputs: list[_Letters], operands: tuple[Array, ...]) -> dict[str, int]:
    """The length of each letter's axes."""
    sizes: dict[str, int] = {}
    for letters, x in zip(inputs, operands, strict=True):
        own: dict[str, int] = {}
        for letter, length in zip(letters, x.shape, strict=True):
            known = sizes.get(letter, 1)
            if (length != known and 1 not in (length, known)) or own.setdefault(letter, length) != length:
                name = "'...'" if letter.isdigit() else repr(letter)
                _refuse(subscripts, operands, f"equal lengths for {name}, got {own.get(letter, known)} and {length}")
            sizes[letter] = length if known == 1 else known
    return sizes


def _refuse(subscripts: str, operands: tuple[Array, ...], expected: str) -> None:
    shapes = ", ".join(str(shape_of(x)) for x in operands)
    raise ValueError(f"einsum({subscripts!r}) expected {expected}; the shapes are {shapes}")


def _without_repeats(x: Array, letters: _Letters, sizes: dict[str, int]) -> tuple[Array, _Letters]:
    """The diagonals along letters that occur twice, and without axes of length 1 that are to be stretched."""
    kept = [n for n, letter in enumerate(letters) if x.shape[n] == sizes[letter]]
    if len(kept) < x.ndim:
        x, letters = _reshape(x, tuple(x.shape[n] for n in kept)), tuple(letters[n] for n in kept)
    while len({*letters}) < len(letters):
        first, second = next((n, m) for m, letter in enumerate(letters) for n in range(m) if letters[n] == letter)
        rest = tuple(n for n in range(x.ndim) if n not in (first, second))
        x = _diagonal(_permuted(x, (*rest, first, second)))
        letters = (*(letters[n] for n in rest), letters[first])
    return x, letters


def _summed(x: Array, letters: _Letters, needed: set[str]) -> tuple[Array, _Letters]:
    """The sum over the letters that nobody needs."""
    axes = tuple(n for n, letter in enumerate(letters) if letter not in needed)
    if not axes:
        return x, letters
    dtype = None if is_floating(x.dtype) else x.dtype  # integers keep their dtype, as in a product
    return _sum(x, axis=axes, dtype=dtype), tuple(letter for letter in letters if letter in needed)


def _product(a: Array, in_a: _Letters, b: Array, in_b: _Letters, needed: set[str]) -> tuple[Array, _Letters]:
    """The product of two arrays, summed over the letters that both have and nobody else needs."""
    stacks = tuple(letter for letter in in_a if letter in in_b and letter in needed)
    inner = tuple(letter for letter in in_a if letter in in_b and letter not in needed)
    rows = tuple(letter for letter in in_a if letter not in in_b)
    columns = tuple(letter for letter in in_b if letter not in in_a)
    a = _permuted(a, tuple(in_a.index(letter) for letter in (*stacks, *rows, *inner)))
    b = _permuted(b, tuple(in_b.index(letter) for letter in (*stacks, *inner, *columns)))
    depth = len(stacks)
    stack, row, column = a.shape[:depth], a.shape[depth : depth + len(rows)], b.shape[depth + len(inner) :]
    if not inner:
        a, b = _reshaped(a, (*stack, *row, *(1 for _ in column))), _reshaped(b, (*stack, *(1 for _ in row), *column))
        return namespace_of(a, b).multiply(a, b), (*stacks, *rows, *columns)
    width = prod(b.shape[depth : depth + len(inner)])
    left, right = _reshaped(a, (*stack, prod(row), width)), _reshaped(b, (*stack, width, prod(column)))
    return _reshaped(_matmul(left, right), (*stack, *row, *column)), (*stacks, *rows, *columns)


def _permuted(x: Array, order: tuple[int, ...]) -> Array:
    return x if order == tuple(range(len(order))) else _permute_dims(x, order)


def _reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    return x if x.shape == shape else _reshape(x, shape)
