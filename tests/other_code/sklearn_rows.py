"""Functions and estimators of scikit-learn that differentiate through Tensors, one row each, measured with version 1.9.

Estimators are fitted on Tensors too, unless a row's name says otherwise: the derivative goes through the fit.
"""

from functools import partial

import numpy
import sklearn
from sklearn import (
    covariance,
    decomposition,
    discriminant_analysis,
    kernel_approximation,
    kernel_ridge,
    linear_model,
    metrics,
    mixture,
    naive_bayes,
    pipeline,
    preprocessing,
)
from sklearn.metrics import pairwise
from sklearn.utils import extmath

from other_code.table import Table, like, namespace

sklearn.set_config(array_api_dispatch=True)
plain = partial(sklearn.config_context, array_api_dispatch=False)

TABLE = Table()
row, refuse, level = TABLE.row, TABLE.refuse, TABLE.level

RNG = numpy.random.default_rng(0)
X, Y = RNG.uniform(0.2, 0.9, (2, 4, 3))
DATA, NEW = RNG.standard_normal((2, 9, 3))
T = RNG.standard_normal(9)
LABELS = numpy.asarray([0, 1, 0, 1, 2, 2, 0, 1, 1])
TWO = numpy.asarray([0, 1, 0, 1, 1, 1, 0, 1, 0])

# Distances and kernels
for name in (
    "cosine_similarity cosine_distances euclidean_distances manhattan_distances linear_kernel polynomial_kernel "
    "rbf_kernel laplacian_kernel sigmoid_kernel chi2_kernel additive_chi2_kernel paired_cosine_distances "
    "paired_euclidean_distances paired_manhattan_distances"
).split():
    row(f"metrics.pairwise.{name}", lambda x, y, name=name: getattr(pairwise, name)(x, y), X, Y)
row("metrics.pairwise.euclidean_distances squared", lambda x, y: pairwise.euclidean_distances(x, y, squared=True), X, Y)
row("metrics.pairwise.rbf_kernel of x and x", lambda x: pairwise.rbf_kernel(x), X)
row("metrics.pairwise_distances", lambda x, y: pairwise.pairwise_distances(x, y, metric="cosine"), X, Y)
row("metrics.pairwise.pairwise_kernels", lambda x, y: pairwise.pairwise_kernels(x, y, metric="rbf"), X, Y)
refuse("metrics.pairwise.haversine_distances", lambda x: pairwise.haversine_distances(x[:, :2]), X)
refuse("metrics.pairwise.nan_euclidean_distances", lambda x: pairwise.nan_euclidean_distances(x), X)
refuse("metrics.pairwise_distances_argmin_min", lambda x: pairwise.pairwise_distances_argmin_min(x, x)[1], X)

# Preprocessing
pre = preprocessing


def fitted_on_data(estimator, x):
    """The estimator, fitted on constants."""
    return estimator.fit(like(x, DATA))


row("preprocessing.MinMaxScaler", lambda x: pre.MinMaxScaler().fit(x).transform(x), DATA)
row("preprocessing.MaxAbsScaler", lambda x: pre.MaxAbsScaler().fit(x).transform(x), DATA)
row(
    "preprocessing.StandardScaler fitted on constants",
    lambda x: fitted_on_data(pre.StandardScaler(), x).transform(x),
    NEW,
)
row(
    "preprocessing.StandardScaler.inverse_transform",
    lambda x: fitted_on_data(pre.StandardScaler(), x).inverse_transform(x),
    NEW,
)
row(
    "preprocessing.StandardScaler with_std=False",
    lambda x: pre.StandardScaler(with_std=False).fit(x).transform(x),
    DATA,
)
for norm in ("l1", "l2", "max"):
    row(f"preprocessing.Normalizer {norm}", lambda x, norm=norm: pre.Normalizer(norm=norm).fit_transform(x), X)
    row(f"preprocessing.normalize {norm}", lambda x, norm=norm: pre.normalize(x, norm=norm), X)
row("preprocessing.PolynomialFeatures", lambda x: pre.PolynomialFeatures(3).fit_transform(x), X)
row(
    "preprocessing.KernelCenterer",
    lambda x: pre.KernelCenterer().fit_transform(x @ namespace(x).matrix_transpose(x)),
    X,
)
row("preprocessing.minmax_scale", lambda x: pre.minmax_scale(x), X, where="numpy")
row("preprocessing.maxabs_scale", lambda x: pre.maxabs_scale(x), X, where="numpy")
level("preprocessing.Binarizer", lambda x: pre.Binarizer(threshold=0.5).fit_transform(x), X)
level("preprocessing.binarize", lambda x: pre.binarize(x, threshold=0.5), X)
for name in "RobustScaler PowerTransformer SplineTransformer".split():
    refuse(f"preprocessing.{name}", lambda x, name=name: getattr(pre, name)().fit_transform(x), DATA)
refuse("preprocessing.scale", lambda x: pre.scale(x), DATA)
# The fit divides 0 by 0 and writes over the result. The derivative of what was written over is 0 times NaN, here as in
# PyTorch: the gradient is NaN. `scipy.stats.zscore` computes the same and has its gradient.
TABLE.spoil("preprocessing.StandardScaler fitted on Tensors", lambda x: pre.StandardScaler().fit(x).transform(x), DATA)

# Estimators, differentiated through the fit
full = partial(decomposition.PCA, 2, svd_solver="full")


def decompressed(x):
    pca = full().fit(x)
    return pca.inverse_transform(pca.transform(x))


row("decomposition.PCA.transform", lambda x: full().fit(x).transform(x), DATA)
row("decomposition.PCA.transform whitened", lambda x: full(whiten=True).fit(x).transform(x), DATA)
row("decomposition.PCA.inverse_transform", decompressed, DATA)
row("decomposition.PCA.explained_variance_", lambda x: full().fit(x).explained_variance_, DATA)
row("decomposition.PCA.score_samples", lambda x: full().fit(x).score_samples(x), DATA)
row(
    "decomposition.PCA covariance_eigh",
    lambda x: decomposition.PCA(2, svd_solver="covariance_eigh").fit(x).transform(x),
    DATA,
)
row("linear_model.Ridge.coef_", lambda x, t: linear_model.Ridge(solver="svd").fit(x, t).coef_, DATA, T)
row("linear_model.Ridge.predict", lambda x, t: linear_model.Ridge(solver="svd").fit(x, t).predict(x), DATA, T)
row("linear_model.RidgeCV.predict", lambda x, t: linear_model.RidgeCV().fit(x, t).predict(x), DATA, T)
row(
    "linear_model.RidgeClassifier.decision_function",
    lambda x: linear_model.RidgeClassifier(solver="svd").fit(x, like(x, TWO)).decision_function(x),
    DATA,
)
lda = discriminant_analysis.LinearDiscriminantAnalysis
row("LinearDiscriminantAnalysis.decision_function", lambda x: lda().fit(x, like(x, TWO)).decision_function(x), DATA)
row("LinearDiscriminantAnalysis.predict_proba", lambda x: lda().fit(x, like(x, LABELS)).predict_proba(x), DATA)
row("LinearDiscriminantAnalysis.transform", lambda x: lda().fit(x, like(x, LABELS)).transform(x), DATA)
row(
    "naive_bayes.GaussianNB.predict_proba",
    lambda x: naive_bayes.GaussianNB().fit(x, like(x, LABELS)).predict_proba(x),
    DATA,
)
row(
    "naive_bayes.GaussianNB.predict_joint_log_proba",
    lambda x: naive_bayes.GaussianNB().fit(x, like(x, LABELS)).predict_joint_log_proba(x),
    DATA,
)
gaussians = partial(mixture.GaussianMixture, 2, init_params="random", random_state=0, max_iter=2, tol=0.0)
row("mixture.GaussianMixture.score_samples", lambda x: gaussians().fit(x).score_samples(x), DATA)
row(
    "mixture.GaussianMixture.predict_proba fitted on constants",
    lambda x: fitted_on_data(gaussians(), x).predict_proba(x),
    NEW,
)
row("mixture.GaussianMixture.means_", lambda x: gaussians(covariance_type="diag").fit(x).means_, DATA)
row(
    "kernel_approximation.Nystroem",
    lambda x: kernel_approximation.Nystroem(n_components=3, random_state=0).fit_transform(x),
    DATA,
)
row(
    "pipeline.make_pipeline",
    lambda x, t: (
        pipeline.make_pipeline(pre.MinMaxScaler(), pre.PolynomialFeatures(2), linear_model.Ridge(solver="svd"))
        .fit(x, t)
        .predict(x)
    ),
    DATA,
    T,
)
refuse("linear_model.LinearRegression", lambda x: linear_model.LinearRegression().fit(x, like(x, T)).coef_, DATA)
refuse("linear_model.LogisticRegression", lambda x: linear_model.LogisticRegression().fit(x, like(x, TWO)).coef_, DATA)
refuse("kernel_ridge.KernelRidge", lambda x: kernel_ridge.KernelRidge(kernel="rbf").fit(x, like(x, T)).predict(x), DATA)
refuse("covariance.EmpiricalCovariance", lambda x: covariance.EmpiricalCovariance().fit(x).covariance_, DATA)
refuse("decomposition.IncrementalPCA", lambda x: decomposition.IncrementalPCA(2).fit(x).transform(x), DATA)

# Metrics. Those that give one number give it as a Python float, which carries no gradient.
for name in (
    "mean_squared_error root_mean_squared_error mean_absolute_error mean_squared_log_error root_mean_squared_log_error "
    "mean_absolute_percentage_error mean_pinball_loss r2_score explained_variance_score d2_pinball_score "
    "d2_absolute_error_score"
).split():
    row(
        f"metrics.{name} multioutput='raw_values'",
        lambda y, name=name: getattr(metrics, name)(like(y, X), y, multioutput="raw_values"),
        Y,
    )
    refuse(f"metrics.{name}", lambda y, name=name: getattr(metrics, name)(like(y, X), y), Y)
for name in "max_error mean_poisson_deviance mean_gamma_deviance".split():
    refuse(f"metrics.{name}", lambda y, name=name: getattr(metrics, name)(like(y, X[:, 0]), y), Y[:, 0])
refuse("metrics.brier_score_loss", lambda y: metrics.brier_score_loss(like(y, numpy.asarray([0, 1, 1, 0])), y), Y[:, 0])
refuse("metrics.calinski_harabasz_score", lambda x: metrics.calinski_harabasz_score(x, like(x, LABELS)), DATA)
refuse("metrics.silhouette_score", lambda x: metrics.silhouette_score(x, like(x, LABELS)), DATA)

# Helpers
row("utils.extmath.softmax", lambda x: extmath.softmax(x), X)
row("utils.extmath.row_norms", lambda x: extmath.row_norms(x), X)
row("utils.extmath.safe_sparse_dot", lambda x, y: extmath.safe_sparse_dot(x, namespace(y).matrix_transpose(y)), X, Y)
row(
    "utils.extmath.randomized_svd",
    lambda x: extmath.randomized_svd(x, 2, power_iteration_normalizer="QR", random_state=0)[1],
    DATA,
)
