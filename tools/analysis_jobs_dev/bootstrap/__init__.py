"""Prepares an account for the deployments of one environment: the command `analysis-jobs bootstrap`.

- `extra` finds in an environment's settings what its stack uses beyond its own names.
- `account` looks at what the account has already.
- `root` writes and runs the Terraform root that calls modules/bootstrap, and keeps its state.
- `report` says what to set on GitHub and in the environment's configuration.
"""
