"""`python -m nirgan`."""

import sys

from nirgan.cli import main

sys.exit(main(sys.argv[1:]))
