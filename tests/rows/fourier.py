"""Rows of the Fourier transforms."""

from rows.base import normal, phasor, row, std
from xpnn.arrays.namespaces import namespace_of

for norm in ("backward", "ortho", "forward"):
    for n in (None, 3, 4, 6, 7):  # as it is, cropped and padded, odd and even
        for name, make in (
            ("fft", phasor),
            ("ifft", phasor),
            ("rfft", normal),
            ("irfft", phasor),
            ("hfft", phasor),
            ("ihfft", normal),
        ):
            row(f"{name} of {n}, {norm}", std(f"fft.{name}", n=n, norm=norm), make(2, 5))
    for name, make in (("fftn", phasor), ("ifftn", phasor), ("rfftn", normal), ("irfftn", phasor)):
        row(f"{name}, {norm}", std(f"fft.{name}", norm=norm), make(3, 2, 5), empty=False)
        row(
            f"{name} of lengths, {norm}",
            std(f"fft.{name}", s=(4, 3), axes=(0, -1), norm=norm),
            make(3, 2, 5),
            empty=False,
        )
for name, make in (("fft", phasor), ("ifft", phasor), ("rfft", normal), ("irfft", phasor)):
    row(f"{name} along axis 1", std(f"fft.{name}", axis=1, n=3), make(2, 5, 2))
row("irfft of an even length", std("fft.irfft"), phasor(2, 4))
row("irfft of length 1", std("fft.irfft", n=1), phasor(2, 3))
row("irfft of length 2", std("fft.irfft", n=2), phasor(2, 3))
row("fftshift", std("fft.fftshift"), normal(4, 5))
row("ifftshift", std("fft.ifftshift"), normal(4, 5))
row("fftshift of one axis", std("fft.fftshift", axes=1), phasor(3, 5))
row("ifftshift of axes", std("fft.ifftshift", axes=(0, -1)), normal(2, 3, 5))
row("power of a spectrum", lambda x: namespace_of(x).abs(namespace_of(x).fft.rfft(x)) ** 2, normal(2, 6))
