"""What all tests share."""

import os

# The library's logger is made once a process, and takes its name from here; tests listen to it by that name.
os.environ["POWERTOOLS_SERVICE_NAME"] = "tests"
