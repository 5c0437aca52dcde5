"""What the examples have in common. The backend of existing-api is in `test_existing_api.py`.

Each example has the tests of its analysis in its own folder. `test_example_projects.py` runs them.
"""

from tests.handlers.databases import SCHEMA
from tests.handlers.pdfs import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def test_the_minimal_analysis_fits_on_one_screen() -> None:
    lines = (EXAMPLES / "minimal" / "letter_summary.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40


def test_the_sql_schema_of_an_example_has_the_librarys_table_of_effects() -> None:
    table = SCHEMA[SCHEMA.index("CREATE") :]
    schemas = list(EXAMPLES.glob("*/schema.sql"))
    assert len(schemas) >= 3
    for schema in schemas:
        assert table in schema.read_text(encoding="utf-8"), schema
