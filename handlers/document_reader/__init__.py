"""Reads a stranger's file: a program of its own, which knows nothing of jobs or of AWS.

`analysis_jobs.documents` runs it in a process with a limit on memory and nothing secret in its environment: what makes
a C library run away or fall over ends this process, and not the worker. It imports nothing but the standard library
until it knows what kind of file it has.
"""
