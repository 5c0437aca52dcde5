"""The benchmarks: what a job costs, how fast a cold start is, and at which load each part of the system ends.

`make bench` measures everything, compares it with docs/benchmarks.json, and names each regression. Every figure is a
count or a ratio that was taken in one run, so figures of different machines can be compared.
"""
