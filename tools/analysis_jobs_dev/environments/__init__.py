"""The environments of a repository or a project: their configuration, and the Terraform root that deploys them.

    environment = load("staging")              # checked; raises ConfigError with all problems
    root = prepare(environment, Package.of(environment))
    root.init()
    root.plan(root.plan_file)
    root.apply(root.plan_file)

- `config` reads and checks `envs/<environment>/config.json`, or `envs/<environment>.json`.
- `schema` makes the JSON schema, from the variables that `variables` reads.
- `package` is the built package. `package_bucket` uploads it.
- `root` prepares the Terraform root, and runs Terraform there. `backend` says where the state is.
- `summary` describes a plan in Markdown.
"""
