"""The generator of the tables in the modules' READMEs."""

from pathlib import Path

import pytest

import terraform_docs

VARIABLES = """locals {
  own = ["a"]
}

variable "events" {
  description = <<-EOT
    What other systems are told: `on` | `off`.
    Two lines.
  EOT
  type = object({
    bus = optional(string, "default")
    more = optional(object({
      deep = number
    }), {})
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.events.bus != ""
    error_message = "no bus"
  }
}

variable "lanes" {
  description = "The lanes."
  type        = map(string)
  default = {
    medium = "m"
  }
}

variable "name" {
  description = "The prefix, as \\"acme\\"."
  type        = string
  nullable    = false
}
"""
OUTPUTS = 'output "url" {\n  description = "Where it is."\n  value       = "x"\n}\n'


def test_each_variable_and_output_is_a_row_with_its_type_and_its_default() -> None:
    rows = [line for line in terraform_docs.tables(VARIABLES, OUTPUTS).splitlines() if line.startswith("| <a")]
    assert rows == [
        (
            '| <a name="input_events"></a> [events](#input_events) '
            "| What other systems are told: `on` \\| `off`. Two lines. "
            '| <pre>object({<br/>  bus = optional(string, "default")<br/>  more = optional(object({<br/>'
            "    deep = number<br/>  }), {})<br/>})</pre> | `{}` | no |"
        ),
        (
            '| <a name="input_lanes"></a> [lanes](#input_lanes) | The lanes. | `map(string)` '
            '| <pre>{<br/>  medium = "m"<br/>}</pre> | no |'
        ),
        '| <a name="input_name"></a> [name](#input_name) | The prefix, as "acme". | `string` | n/a | yes |',
        '| <a name="output_url"></a> [url](#output_url) | Where it is. |',
    ]


def test_a_variable_without_a_description_is_refused() -> None:
    with pytest.raises(ValueError, match="bare has no description"):
        terraform_docs.tables('variable "bare" {\n  type = string\n}\n', "")


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="the README lacks the markers"):
        terraform_docs.written("# A module\n", "tables")


def test_a_check_names_the_stale_readme_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = tmp_path / "modules" / "lane"
    module.mkdir(parents=True)
    (module / "variables.tf").write_text(VARIABLES, encoding="utf-8")
    (module / "outputs.tf").write_text(OUTPUTS, encoding="utf-8")
    empty = f"# lane\n\n{terraform_docs.BEGIN}\n{terraform_docs.END}\n\nAfter.\n"
    (module / "README.md").write_text(empty, encoding="utf-8")
    assert terraform_docs.main(["--check"], tmp_path) == 1
    assert "modules/lane/README.md" in capsys.readouterr().err
    assert (module / "README.md").read_text(encoding="utf-8") == empty
    assert terraform_docs.main([], tmp_path) == 0
    assert terraform_docs.main(["--check"], tmp_path) == 0
    assert (module / "README.md").read_text(encoding="utf-8").endswith("\n\nAfter.\n")
