"""What `xpnn.estimators` needs, imported before all else: the error of a missing module would not say what to do."""

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ModuleNotFoundError("xpnn.estimators needs scikit-learn: pip install 'xpnn[sklearn]'", name="sklearn")
