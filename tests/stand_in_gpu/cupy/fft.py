"""cuFFT's functions."""

import numpy

from cupy._calls import function

__all__ = (
    "fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn"
).split()

for _name in __all__:
    globals()[_name] = function(getattr(numpy.fft, _name))
