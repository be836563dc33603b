"""SciPy's special functions, where CuPy has them."""

import scipy.special
from cupy._calls import ufunc

for _name in (
    "betainc betaln digamma entr erf erfc erfcinv erfcx erfinv expit gamma gammainc gammaincc gammaln log_expit "
    "log_ndtr logit ndtr ndtri polygamma rel_entr stdtr xlog1py xlogy zeta"
).split():
    if isinstance(getattr(scipy.special, _name), type(scipy.special.erf)):
        globals()[_name] = ufunc(getattr(scipy.special, _name))
