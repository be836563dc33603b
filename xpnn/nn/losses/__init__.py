"""Losses: one number that says how far outputs `y` are from targets `t`.

Each is a loss per item and then a reduction: 'mean' (default), 'sum' or 'none'. With `sample_weight`, one number per
item, the mean is the weighted mean, sum(w * loss) / sum(w); if all weights are zero, it is 0.
"""
