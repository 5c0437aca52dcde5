"""Fills templates of subjects and rates with the fields of a request."""

from dataclasses import replace

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from analysis_jobs.base.model_checks import outer_name
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.jobs.subjects import fill_template, template_fields


def fill_from_request(template: str, request: BaseModel) -> str:
    """Return a template of request fields, filled from a request. Errors name the fields as callers give them."""
    names = template_fields(template)
    written = request.model_dump(mode="json", by_alias=False, include=names)
    # A dump lacks excluded fields, and that of a `RootModel` has no names.
    given = {name: to_jsonable_python(getattr(request, name)) for name in names}
    given |= {name: written[name] for name in names if isinstance(written, dict) and name in written}
    try:
        return fill_template(template, given)
    except InvalidRequestError as error:
        outer = {f"input.{name}": f"input.{outer_name(type(request), name)}" for name in names}
        raise InvalidRequestError(
            [replace(each, field=outer.get(each.field, each.field)) for each in error.errors]
        ) from error
