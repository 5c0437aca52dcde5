"""The answers file: scripted answers of the stand-in model, written by hand.

```toml
[[answers]]
tool = "Brief"                           # calls that ask for this pydantic model
match = "Harbour Lights"                 # and have this text in their prompt
answer.summary = "A call for light installations."
answer.data.deadline = 2027-03-15
answer.data.lots = [{ name = "Wall" }, { name = "Quay" }]

[[answers]]
match = { analysis = "rfp-analysis", stage = "brief", text = "Quay" }    # or several conditions: also job_id
answer = "No brief."

[[answers]]
pattern = '(?i)say (hello|hi)'           # a regular expression that is found in the prompt
answer = "Hello."                        # a text

[[answers]]
model = "*claude-3-haiku*"               # a pattern of the model's ID
times = 2                                # only the first two such calls
error = "ThrottlingException"            # a fault, a pace: any other field of `Scenario`
```

All conditions of an entry must hold; the first such entry decides. A call without an entry is answered from its
document.
"""

import json
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.stand_in.scenarios import Scenario


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    answers: list[Scenario]


def load(path: Path) -> list[Scenario]:
    """Return the scenarios of an answers file.

    Raises:
        CloudError: names the file, and each field that is wrong.

    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        # Through JSON: there a date is a text.
        return _File.model_validate_json(json.dumps(content, default=str)).answers
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CloudError(f"{path}: {error}") from error
    except ValidationError as error:
        wrong = [f"  {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise CloudError("\n".join([f"{path}:", *wrong])) from error
