"""A separate program that reads one untrusted file. It knows nothing of jobs or of AWS.

`analysis_jobs.documents` runs it in a process with a memory limit and no secrets in its environment. If a file makes a
C library hang or crash, only this process ends, not the worker. It imports a library for a kind of file only after it
has detected that kind.
"""
