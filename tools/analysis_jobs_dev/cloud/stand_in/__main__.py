"""`python -m analysis_jobs_dev.cloud.stand_in`: the stand-in alone."""

import sys

from analysis_jobs_dev.cloud.stand_in.server import main

if __name__ == "__main__":
    sys.exit(main())
