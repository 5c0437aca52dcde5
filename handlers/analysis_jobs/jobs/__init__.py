"""The rules of a job, without input or output: states, transitions, admission, and the ports to the outside."""
