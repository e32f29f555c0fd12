"""Lets `python -m zoo.cli` stand in for `zoo`."""

import sys

from zoo.cli import main

sys.exit(main())
