"""The preflight check of an environment: what would stop its jobs, found before the first of them.

`examine` runs the checks. Each check is a function from a `Subject` to its findings. A check never changes anything.
"""
