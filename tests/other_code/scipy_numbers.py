"""SciPy on numbers and samples: special functions, statistics, integrals, roots; one row each, of SciPy 1.17 and 1.18.

Where a row names fewer places than all three, SciPy itself cannot do it there: it makes arrays without asking for the
device (device1), or takes a step beyond the standard (strict).
"""

import numpy
import scipy.differentiate
import scipy.integrate
import scipy.optimize
import scipy.optimize.elementwise
import scipy.special
import scipy.stats

from other_code.table import Table, like, namespace

TABLE = Table()
row, refuse, level = TABLE.row, TABLE.refuse, TABLE.level
IS_1_18 = tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 18)
CPU = "numpy strict"  # SciPy makes arrays without asking where
SLOW = "numpy"  # passes on strict too, in ten times the time: hundreds of terms of a series, one Python call each

RNG = numpy.random.default_rng(0)
X, Y = RNG.uniform(0.2, 0.9, (2, 4, 3))
V, W = RNG.uniform(0.2, 0.9, (2, 9))
SHORT, SHORTER = RNG.uniform(0.2, 0.9, (2, 4))
TALL = RNG.uniform(0.2, 0.9, (8, 3))
GRID = numpy.linspace(0.0, 2.0, 9) + 0.05 * W

def since_1_18(name, function, *args):
    """A function that was written for NumPy only, before that."""
    if IS_1_18:
        row(f"since 1.18: {name}", function, *args, where=CPU)
    else:
        refuse(name, function, *args)


# Special functions. Beyond those here, SciPy computes them in compiled code for NumPy arrays only.
special = scipy.special
for name in "expit logit erf erfc ndtr log_ndtr gammaln psi entr".split():
    row(f"special.{name}", getattr(special, name), X, where=CPU)
row("special.polygamma", lambda x: special.polygamma(1, x), X, where=CPU)
row("special.betaln", lambda a, b: special.betaln(a, b), X, Y, where=CPU)
row("special.xlogy", lambda x, y: special.xlogy(x, y), X, Y)
row("special.rel_entr", lambda x, y: special.rel_entr(x, y), X, Y)
row("special.logsumexp", lambda x: special.logsumexp(x, axis=-1), X)
row("special.logsumexp with weights", lambda x, b: special.logsumexp(x, axis=-1, b=b), X, Y)
row("special.softmax", lambda x: special.softmax(x, axis=-1), X)
row("special.log_softmax", lambda x: special.log_softmax(x, axis=-1), X)
for name in "erfinv erfcx ndtri i0 j0 gamma cbrt exp2 exprel sinc log_expit".split():
    refuse(f"special.{name}", getattr(special, name), X)
for name in "xlog1py kl_div huber pseudo_huber boxcox binom poch".split():
    refuse(f"special.{name}", lambda x, name=name: getattr(special, name)(x, x + 1), X)

for name in "gammainc gammaincc chdtr chdtrc stdtr".split():
    row(f"special.{name}", lambda x, name=name: getattr(special, name)(like(x, Y + 1), x), X, where=SLOW)
row("special.betainc", lambda x: special.betainc(like(x, Y), like(x, Y + 1), x), X, where=SLOW)
row("special.betaincc", lambda x: special.betaincc(like(x, Y), like(x, Y + 1), x), X, where=SLOW)
row("special.fdtr", lambda x: special.fdtr(like(x, Y + 1), like(x, Y + 2), x), X, where=SLOW)
row("special.fdtrc", lambda x: special.fdtrc(like(x, Y + 1), like(x, Y + 2), x), X, where=SLOW)
refuse("special.gammainc in a", lambda a: special.gammainc(a, like(a, X)), X)


# Statistics
stats = scipy.stats
MANY = RNG.uniform(0, 1, (21, 2)) ** 2


def shares(x):
    return x / namespace(x).sum(x)


for name in (
    "gmean hmean tmean tvar tstd tsem tmin tmax skew kurtosis sem variation gstd zscore gzscore iqr "
    "median_abs_deviation circmean circvar circstd differential_entropy"
).split():
    row(f"stats.{name}", lambda x, name=name: getattr(stats, name)(x, axis=0), TALL)
row("stats.entropy", lambda x: stats.entropy(x, axis=0), TALL, where=CPU)
row("stats.entropy relative", lambda x, y: stats.entropy(x, y, axis=0), X, Y)
row("stats.pmean", lambda x: stats.pmean(x, 3, axis=0), X)
row("stats.pmean with weights", lambda x, w: stats.pmean(x, 3, axis=0, weights=w), X, Y)
row("stats.gmean with weights", lambda x, w: stats.gmean(x, axis=0, weights=w), X, Y)
row("stats.hmean with weights", lambda x, w: stats.hmean(x, axis=0, weights=w), X, Y)
row("stats.moment", lambda x: stats.moment(x, 3, axis=0), TALL)
row("stats.kstat", lambda x: stats.kstat(x, 3, axis=0), TALL)
row("stats.kstatvar", lambda x: stats.kstatvar(x, 2, axis=0), TALL)
row("stats.lmoment", lambda x: stats.lmoment(x, axis=0), TALL, where="numpy" if IS_1_18 else CPU)
row("stats.zmap", lambda x, y: stats.zmap(x, y, axis=0), X, Y)
row("stats.trim_mean", lambda x: stats.trim_mean(x, 0.3, axis=0), TALL)
row("stats.sigmaclip", lambda x: stats.sigmaclip(x, 2, 2).clipped, V)
row("stats.quantile", lambda x: stats.quantile(x, like(x, numpy.asarray([0.3, 0.7]))), V)
row("stats.describe", lambda x: stats.describe(x, axis=0).kurtosis, TALL)
row("stats.boxcox_llf", lambda x: stats.boxcox_llf(0.7, x), V)
row("stats.yeojohnson_llf", lambda x: stats.yeojohnson_llf(0.7, x), V)
row("stats.directional_stats", lambda x: stats.directional_stats(x).mean_direction, X)
row("stats.directional_stats length", lambda x: stats.directional_stats(x).mean_resultant_length, X)
# Tests: the statistic and the p-value, which SciPy computes together
for name in "pearsonr ttest_ind ttest_rel f_oneway alexandergovern bartlett levene".split():
    row(f"stats.{name}", lambda x, y, name=name: getattr(stats, name)(x, y).statistic, V, W, where=SLOW)
    row(f"stats.{name} p-value", lambda x, y, name=name: getattr(stats, name)(x, y).pvalue, V, W, where=SLOW)
row("stats.pearsonr confidence", lambda x, y: stats.pearsonr(x, y).confidence_interval().low, V, W, where=SLOW)
row("stats.ttest_1samp", lambda x: stats.ttest_1samp(x, 0.3).pvalue, V, where=SLOW)
row(
    "stats.ttest_ind_from_stats",
    lambda m, s: stats.ttest_ind_from_stats(m, s, 10, m * m, s, 12).pvalue,
    V,
    W,
    where=SLOW,
)
row("stats.chisquare", lambda x, y: stats.chisquare(shares(x), shares(y)).statistic, V, W, where=SLOW)
row("stats.power_divergence", lambda x: stats.power_divergence(9 * x, lambda_=2 / 3).pvalue, V, where=SLOW)
row("stats.normaltest", lambda x: stats.normaltest(x, axis=0).pvalue, MANY, where=SLOW)
row("stats.jarque_bera", lambda x: stats.jarque_bera(x, axis=0).pvalue, MANY, where=SLOW)
row("stats.combine_pvalues", lambda x: stats.combine_pvalues(x).pvalue, V, where=SLOW)
row("stats.epps_singleton_2samp", lambda x, y: stats.epps_singleton_2samp(x, y).statistic, V, W, where=SLOW, orders=1)
refuse("stats.ttest_ind equal_var=False", lambda x: stats.ttest_ind(x, x * x, equal_var=False).statistic, V)
row("stats.skewtest", lambda x: stats.skewtest(x, axis=0).statistic, TALL, where=CPU)
row("stats.skewtest p-value", lambda x: stats.skewtest(x, axis=0).pvalue, TALL, where=CPU)
row("stats.kurtosistest", lambda x: stats.kurtosistest(x, axis=0).statistic, MANY, where=CPU)
row("stats.false_discovery_control", lambda x: stats.false_discovery_control(x), V)
row(
    "stats.bootstrap",
    lambda x: stats.bootstrap((x,), stats.gmean, n_resamples=9, rng=numpy.random.default_rng(0)).standard_error,
    V,
    where="numpy",
)
for name in "norm gamma".split():
    refuse(f"stats.{name}.logpdf", lambda x, name=name: getattr(stats, name).logpdf(x, 2.0), X)
refuse("stats.Normal", lambda x: stats.Normal().logpdf(x), X)
refuse("stats.multivariate_normal", lambda x: stats.multivariate_normal.logpdf(x, mean=numpy.zeros(3)), X)
since_1_18("stats.linregress", lambda x: stats.linregress(like(x, W), x).slope, V)
for name in "spearmanrho chatterjeexi mannwhitneyu wilcoxon kruskal fligner ansari mood brunnermunzel".split():
    level(f"stats.{name}", lambda x, y, name=name: getattr(stats, name)(x, y).statistic, V, W)
level("stats.rankdata", lambda x: stats.rankdata(x), V)

# Integrals of samples, and of functions
integrate = scipy.integrate
row("integrate.trapezoid", lambda y: integrate.trapezoid(y, dx=0.1), X)
row("integrate.trapezoid in y and x", lambda y, x: integrate.trapezoid(y, x), V, GRID)
row("integrate.cumulative_trapezoid", lambda y, x: integrate.cumulative_trapezoid(y, x), V, GRID)
row("integrate.cumulative_simpson", lambda y: integrate.cumulative_simpson(y, dx=0.1), V, where=CPU)
row("integrate.cumulative_simpson in y and x", lambda y, x: integrate.cumulative_simpson(y, x=x), V, GRID, where=CPU)
row("integrate.romb", lambda y: integrate.romb(y, dx=0.1), V, where=CPU)


def bell(t, c):
    return namespace(t).exp(-t * t * c)


row(
    "integrate.tanhsinh in the limits",
    lambda a, b: integrate.tanhsinh(lambda t: bell(t, 2.0), a, b).integral,
    X,
    X + Y,
    where="numpy",
)
row(
    "integrate.tanhsinh in a parameter",
    lambda c: integrate.tanhsinh(bell, 0 * c, 0 * c + 1, args=(c,)).integral,
    V,
    where="numpy",
)
row(
    "integrate.cubature",
    lambda a: integrate.cubature(lambda t: bell(t[:, 0], t[:, 1]), a, a + 1).estimate,
    V[:2],
    where=CPU,
)
since_1_18("integrate.simpson", lambda y: integrate.simpson(y, dx=0.1), V)
refuse("integrate.quad", lambda y: integrate.quad(lambda t: y[0] * t, 0, 1)[0], V)
refuse("integrate.solve_ivp", lambda y: integrate.solve_ivp(lambda t, u: -u, (0, 1), y).y, V)

# Roots, minima, derivatives: through the iterations
optimize = scipy.optimize
row("optimize.rosen", lambda x: optimize.rosen(x), V)
row("optimize.rosen_der", lambda x: optimize.rosen_der(x), V)
row("optimize.rosen_hess", lambda x: optimize.rosen_hess(x), V, where=CPU)
row("optimize.rosen_hess_prod", lambda x, p: optimize.rosen_hess_prod(x, p), V, W, where=CPU)
row(
    "optimize.elementwise.find_root",
    lambda c: optimize.elementwise.find_root(lambda x, c: x**3 - c, (0 * c, 0 * c + 2), args=(c,)).x,
    V,
    where="numpy",
)
row(
    "optimize.elementwise.find_minimum",
    lambda c: (
        optimize.elementwise.find_minimum(lambda x, c: (x - c) ** 2, (0 * c - 1, 0 * c + 0.1, 0 * c + 2), args=(c,)).x
    ),
    V,
    where="numpy",
)
row(
    "differentiate.derivative", lambda x: scipy.differentiate.derivative(lambda t: bell(t, 2.0), x).df, V, where="numpy"
)
row("differentiate.jacobian", lambda x: scipy.differentiate.jacobian(optimize.rosen, x).df, V[:3], where="numpy")
refuse("optimize.minimize", lambda x: optimize.minimize(optimize.rosen, x).x, V[:2])
