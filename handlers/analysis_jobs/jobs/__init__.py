"""The rules of a job: states, transitions, admission and tiers. `ports` declares the interfaces to the outside."""
