"""What this project adds to MiniStack: limits of AWS that MiniStack does not enforce.

`serve.py` installs the additions in MiniStack's interpreter. No module here imports MiniStack: its modules are given to
`install`, so that the rest is tested without it. docs/decisions/0005-the-local-cloud.md lists the limits.
"""

from typing import Any


def install(app: Any, modules: Any) -> Any:  # noqa: ANN401 - MiniStack has no types
    """Add the limits to MiniStack's `modules`, and return its ASGI `app` with the limits of requests.

    `modules` has the attributes `eventbridge`, `iam`, `iam_actions`, `lambda_svc` and `sqs`.
    """
    from analysis_jobs_dev.cloud.emulator import chains, conditions, heads, payloads, quotas, repeats, weights  # noqa: PLC0415 - only where it is used

    weights.install(modules.lambda_svc)
    payloads.install(modules.lambda_svc)
    conditions.install(modules.iam_actions)
    quotas.install(modules)
    return repeats.remembering(heads.limited(chains.install(app, modules.lambda_svc, modules.sqs)))
