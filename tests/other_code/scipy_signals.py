"""SciPy on signals and space: transforms, filters, rotations, matrices; one row each, measured with SciPy 1.17.

What a row's places mean is said in `scipy_numbers`.
"""

import numpy
import scipy.cluster.vq
import scipy.constants
import scipy.fft
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.spatial
import scipy.spatial.distance
import scipy.spatial.transform

from other_code.table import Table, like, namespace

TABLE = Table()
row, refuse, level = TABLE.row, TABLE.refuse, TABLE.level
CPU = "numpy strict"  # SciPy makes arrays without asking where

RNG = numpy.random.default_rng(0)
X, Y = RNG.uniform(0.2, 0.9, (2, 4, 3))
V, W = RNG.uniform(0.2, 0.9, (2, 9))
SHORT, SHORTER = RNG.uniform(0.2, 0.9, (2, 4))
TALL = RNG.uniform(0.2, 0.9, (8, 3))
GRID = numpy.linspace(0.0, 2.0, 9) + 0.05 * W

# Fourier transforms
fft = scipy.fft
for name in "fft ifft rfft irfft hfft ihfft fftshift ifftshift".split():
    row(f"fft.{name}", lambda x, name=name: getattr(fft, name)(x), X)
for name in "fftn ifftn rfftn irfftn hfftn ihfftn fft2 ifft2 rfft2 irfft2 hfft2 ihfft2".split():
    row(f"fft.{name}", lambda x, name=name: getattr(fft, name)(x), X)
row("fft.fht", lambda x: fft.fht(x, dln=0.1, mu=0.3), V[:8], where=CPU)
row("fft.ifht", lambda x: fft.ifht(x, dln=0.1, mu=0.3), V[:8], where=CPU)
for name in "dct dst idct idst dctn dstn".split():
    refuse(f"fft.{name}", getattr(fft, name), X)

# Signals
signal = scipy.signal
row("signal.convolve method='fft'", lambda x, y: signal.convolve(x, y, method="fft"), V, SHORT)
row("signal.correlate method='fft'", lambda x, y: signal.correlate(x, y, method="fft"), V, SHORT)
row("signal.fftconvolve", lambda x, y: signal.fftconvolve(x, y), V, SHORT)
row("signal.oaconvolve", lambda x, y: signal.oaconvolve(x, y), V, SHORT)
row("signal.hilbert", lambda x: signal.hilbert(x), V)
row("signal.hilbert2", lambda x: signal.hilbert2(x), X)
row("signal.envelope", lambda x: signal.envelope(x), V)
row("signal.resample", lambda x: signal.resample(x, 12), V)
row("signal.gauss_spline", lambda x: signal.gauss_spline(x, 3), V)
row("signal.vectorstrength", lambda x: signal.vectorstrength(x, 0.7)[0], V, where=CPU)
row("signal.minimum_phase", lambda x: signal.minimum_phase(x), V, where="numpy")
row("signal.windows.general_cosine", lambda a: signal.windows.general_cosine(5, a), SHORT)
row("signal.freqz in b and a", lambda b, a: signal.freqz(b, a, worN=8)[1], V, SHORT + 1, where=CPU)
row("signal.freqz_zpk", lambda z, p: signal.freqz_zpk(z, p, 1.0, worN=8)[1], SHORT, SHORTER, where=CPU)
row("signal.freqs", lambda b, a: signal.freqs(b, a, worN=like(b, W))[1], SHORT, SHORTER, where="numpy")
row("signal.normalize", lambda b, a: signal.normalize(b, a)[0], SHORT, SHORTER)
row("signal.lp2lp", lambda b, a: signal.lp2lp(b, a, 2.0)[0], SHORT, SHORTER, where=CPU)
row("signal.lp2hp", lambda b, a: signal.lp2hp(b, a, 2.0)[0], SHORT, SHORTER, where=CPU)
row("signal.lp2hp_zpk", lambda z, p: signal.lp2hp_zpk(z, p, 1.0, 2.0)[2], SHORT, SHORTER, where=CPU)
row("signal.bilinear_zpk", lambda z, p: signal.bilinear_zpk(z, p, 1.0, 2.0)[2], SHORT, SHORTER, where=CPU)
row("signal.abcd_normalize", lambda x: signal.abcd_normalize(x[:3, :], x[:3, :1], x[:1, :], x[:1, :1])[0], X)
refuse("signal.convolve", lambda x: signal.convolve(x, x), V)  # asks how large the numbers are, to choose a method
refuse("signal.detrend", lambda x: signal.detrend(x), V)
refuse("signal.lfilter", lambda x: signal.lfilter(like(x, SHORT), like(x, SHORTER), x), V)
refuse("signal.sosfilt", lambda x: signal.sosfilt(like(x, signal.butter(2, 0.3, output="sos")), x), V)
refuse("signal.savgol_filter", lambda x: signal.savgol_filter(x, 5, 2), V)
refuse("signal.resample_poly", lambda x: signal.resample_poly(x, 2, 3), V)
refuse("signal.welch", lambda x: signal.welch(x, nperseg=4)[1], V)
refuse("signal.stft", lambda x: signal.stft(x, nperseg=4)[2], V)

# Rotations and rigid motions
transform = scipy.spatial.transform
ROTVEC, OTHER = 0.5 * RNG.standard_normal((2, 5, 3))
POINTS = RNG.standard_normal((5, 3))
QUATERNIONS = RNG.standard_normal((5, 4))
MATRICES = transform.Rotation.from_rotvec(ROTVEC).as_matrix() + 0.1 * RNG.standard_normal((5, 3, 3))
MOTIONS = 0.5 * RNG.standard_normal((5, 6))
TIMES = numpy.asarray([0.5, 2.3])


def turn(v):
    return transform.Rotation.from_rotvec(v)


def move(e):
    return transform.RigidTransform.from_exp_coords(e)


def slerp(v, t):
    return transform.Slerp(like(v, numpy.arange(5.0)), turn(v))(t)


row("Rotation.from_rotvec.as_matrix", lambda v: turn(v).as_matrix(), ROTVEC)
row("Rotation.from_rotvec.as_rotvec", lambda v: turn(v).as_rotvec(), ROTVEC)
row("Rotation.from_quat.as_matrix", lambda q: transform.Rotation.from_quat(q).as_matrix(), QUATERNIONS)
row("Rotation.from_matrix.as_quat", lambda m: transform.Rotation.from_matrix(m + 0).as_quat(), MATRICES)
row("Rotation.from_euler.as_matrix", lambda a: transform.Rotation.from_euler("xyz", a).as_matrix(), ROTVEC)
row("Rotation.as_euler", lambda v: turn(v).as_euler("ZYX"), ROTVEC)
row("Rotation.from_mrp.as_matrix", lambda a: transform.Rotation.from_mrp(a).as_matrix(), ROTVEC)
row("Rotation.as_mrp", lambda v: turn(v).as_mrp(), ROTVEC)
row("Rotation.apply", lambda v, p: turn(v).apply(p), ROTVEC, POINTS)
row("Rotation.apply inverse", lambda v, p: turn(v).apply(p, inverse=True), ROTVEC, POINTS)
row("Rotation.inv", lambda v: turn(v).inv().as_rotvec(), ROTVEC)
row("Rotation.__mul__", lambda v, w: (turn(v) * turn(w)).as_rotvec(), ROTVEC, OTHER)
row("Rotation.__pow__", lambda v: (turn(v) ** 0.5).as_matrix(), ROTVEC)
row("Rotation.__getitem__", lambda v: turn(v)[1:3].as_matrix(), ROTVEC)
row("Rotation.concatenate", lambda v: transform.Rotation.concatenate([turn(v), turn(2 * v)]).as_matrix(), ROTVEC)
row("Rotation.magnitude", lambda v: turn(v).magnitude(), ROTVEC)
row("Rotation.mean", lambda v, w: turn(v).mean(w).as_matrix(), ROTVEC, V[:5])
row(
    "Rotation.align_vectors",
    lambda a, b: transform.Rotation.align_vectors(a, b)[0].as_matrix(),
    POINTS,
    POINTS + 0.1 * OTHER,
)
row("Slerp in rotations and times", lambda v, t: slerp(v, t).as_rotvec(), ROTVEC, TIMES)
row("RigidTransform.from_exp_coords.as_matrix", lambda e: move(e).as_matrix(), MOTIONS)
row(
    "RigidTransform.from_components",
    lambda t, v: transform.RigidTransform.from_components(t, turn(v)).apply(t),
    POINTS,
    ROTVEC,
)
row("RigidTransform.apply", lambda e, p: move(e).apply(p), MOTIONS, POINTS)
row("RigidTransform.inv", lambda e: move(e).inv().as_matrix(), MOTIONS)
row("RigidTransform.__mul__", lambda e: (move(e) * move(2 * e)).as_matrix(), MOTIONS)
row("RigidTransform.__pow__", lambda e: (move(e) ** 0.5).as_matrix(), MOTIONS)
row("RigidTransform.mean", lambda e: move(e).mean().as_matrix(), MOTIONS)
row("RigidTransform.as_exp_coords", lambda e: (move(e) * move(2 * e)).as_exp_coords(), MOTIONS)
row("RigidTransform.as_dual_quat", lambda e: move(e).as_dual_quat(), MOTIONS)

# Matrices, clusters, units
linalg = scipy.linalg
row("linalg.block_diag", lambda x, y: linalg.block_diag(x, y), X, Y, where=CPU)
row("linalg.fiedler", lambda x: linalg.fiedler(x), V)
row("linalg.orthogonal_procrustes", lambda x, y: linalg.orthogonal_procrustes(x, y)[0], X, Y)
row("cluster.vq.whiten", lambda x: scipy.cluster.vq.whiten(x), X)
row("constants.convert_temperature", lambda x: scipy.constants.convert_temperature(x, "Celsius", "Fahrenheit"), X)
row("constants.lambda2nu", lambda x: scipy.constants.lambda2nu(x) / 1e9, X)
row("constants.nu2lambda", lambda x: scipy.constants.nu2lambda(x) / 1e9, X)
SQUARE = X[:3] + numpy.eye(3)
for name in "inv det expm svdvals pinv cholesky qr eigh".split():
    refuse(f"linalg.{name}", lambda x, name=name: getattr(linalg, name)(x @ namespace(x).matrix_transpose(x)), SQUARE)
for name in "cdist pdist".split():
    refuse(
        f"spatial.distance.{name}", lambda x, n=name: getattr(scipy.spatial.distance, n)(*[x] * (1 + (n == "cdist"))), X
    )
for name in "gaussian_filter zoom uniform_filter median_filter".split():
    refuse(f"ndimage.{name}", lambda x, name=name: getattr(scipy.ndimage, name)(x, 2), X)
for name in "CubicSpline PchipInterpolator Akima1DInterpolator make_interp_spline".split():
    refuse(
        f"interpolate.{name}",
        lambda y, name=name: getattr(scipy.interpolate, name)(like(y, GRID), y)(like(y, GRID[1:4])),
        V,
    )
refuse(
    "interpolate.RegularGridInterpolator",
    lambda y: scipy.interpolate.RegularGridInterpolator((like(y, GRID),), y)(like(y, GRID[1:4])),
    V,
)
