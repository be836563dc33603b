"""What a GPU can give: `python -m benchmarks gpu`. Experiments with a prediction each; docs/gpu.md says what they ask.

`command` runs each experiment in a process of its own (`child`), since one wrong address on the device ends all work of
its process; what was measured until then is kept. `experiments` lists them.
"""
