"""Values that a person gives, judged by type and range; what is refused is told in one line, by where it stands."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from ground.errors import InputError

CALL = "parameters"  # what was given by papermill or in a call
SECRET = ("search_storage",)  # what may hold a password


class Section(BaseModel):
    """Parameters of one part of the path; a value of another type or beyond its range is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def type_of(annotation: Any) -> type:
    """Return the plain type behind a field's annotation."""
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0])
    return get_origin(annotation) or annotation


def check_alone(values: Mapping[str, Any], section: type[Section], sources: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for the first value that a section refuses."""
    given = {name: value for name, value in values.items() if name in section.model_fields}
    try:
        section(**given)
    except ValidationError as error:
        for one in error.errors():
            if one["type"] != "missing":
                raise refusal(one, section, given, sources) from None


MORE = {"greater": "more", "less": "less"}


def refusal(
    first: Mapping[str, Any], section: type[Section], values: Mapping[str, Any], sources: Mapping[str, Any]
) -> InputError:
    """Return what pydantic found as one line: source, name, value and expectation."""
    name = str(first["loc"][0])
    value = values[name]
    where = f"{sources.get(name, CALL)}: {name} = {shown(name, value)}"
    if first["type"].endswith(("_type", "_from_float")) and len(first["loc"]) == 1:
        expected = type_of(section.model_fields[name].annotation)
        way = f"; with papermill: -y '{{{name}: {value}}}'" if (expected, type(value)) == (list, str) else ""
        return InputError(f"{where} is {type(value).__name__}, expected {expected.__name__}{way}")
    told = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    told = re.sub(r"(greater|less) than or equal to (\S+)", lambda m: f"{m[2]} or {MORE[m[1]]}", told)
    return InputError(f"{where}: {told if 'expected' in told else 'expected that ' + told}")


def shown(name: str, value: Any) -> str:
    """Return a value as an error tells it: in one short line, and no password."""
    text = repr(value) if name not in SECRET else "(not shown)"
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_name(name: Any, known: Mapping[str, type], source: Any) -> None:
    """Raise ``InputError`` for a parameter that does not exist, with the nearest one that does."""
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"{source}: unknown parameter {name!r}{hint}")
