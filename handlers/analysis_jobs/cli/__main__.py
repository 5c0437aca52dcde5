"""Runs the command line: `python -m analysis_jobs.cli`."""

import sys

from analysis_jobs.cli.main import main

sys.exit(main())
