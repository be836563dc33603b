"""How products are computed: as they are."""


def get_compute_type(dtype):
    return 0
