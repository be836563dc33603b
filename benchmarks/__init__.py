"""How fast xpnn is beside other libraries: `python -m benchmarks` from the root of the repository. See README.md."""
