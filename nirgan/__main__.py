"""`python -m nirgan`."""

import sys

from nirgan.cli.main import main

sys.exit(main())
