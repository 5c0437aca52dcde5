"""Releases: a new version is applied, tried, and put in service; if anything fails, the old one stays or comes back.

    read -> apply -> probe -> canaries -> move -> finish
                 any failure: go back, with a report that says why

- `machine` has the steps, and `rollback` puts the previous version in service again.
- `stack` and `versions` are what is deployed: its names, and the aliases of its functions.
- `record` is the row in the job table that only one release at a time can hold. It says what an interrupted one did.
- `probe`, `canaries` (on one of the `paths` into a stack) and `alarms` find out whether a version works. `prompts` are
  released with it.
- `report` says what happened.
"""
