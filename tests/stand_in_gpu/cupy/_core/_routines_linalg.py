"""How products are asked for; they are computed as they are all the same."""

COMPUTE_TYPE_DEFAULT, COMPUTE_TYPE_PEDANTIC, COMPUTE_TYPE_TF32 = 1, 2, 7
_chosen = {}


def get_compute_type(dtype):
    return _chosen.get(str(dtype), COMPUTE_TYPE_DEFAULT)


def set_compute_type(dtype, compute_type):
    _chosen[str(dtype)] = compute_type
