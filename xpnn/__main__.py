"""Makes `python -m xpnn` the same as the command `xpnn`."""

import sys

from xpnn.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
