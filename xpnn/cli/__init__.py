"""The terminal: `python -m xpnn`, installed as the command `xpnn`."""
