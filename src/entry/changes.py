"""Changes of parameters as one text, such as SET of a command line."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from ground.errors import InputError
from ground.judged import check_name, shown
from helpers.settings import TYPES


def parse_changes(text: str, own: Mapping[str, type] | None = None) -> dict[str, Any]:
    """Read ``"image_px=96 seed=3"`` into values of the declared types.

    ``own`` holds name -> type of the parameters that only chapters declare. Raises ``InputError`` for a word without
    ``=``, an unknown name, one that is given twice, and a value of the wrong type.
    """
    changes: dict[str, Any] = {}
    known = TYPES | dict(own or {})
    for word in words_of(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"SET: expected 'parameter=value', got {word!r}")
        check_name(name, known, "SET")
        if name in changes:
            raise InputError(f"SET: {name} is given twice, expected once")
        changes[name] = read_value(name, value, known[name])
    return changes


def words_of(text: str) -> list[str]:
    """Return the words of SET; quotes hold together what belongs together."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(f"SET: {text!r}: {error}; expected quotes and backslashes in pairs") from None


def read_value(name: str, text: str, expected: type) -> Any:
    """Return the text of a value as the expected type: a word for ``str``, else a JSON value."""
    if expected is str:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if expected is float and type(value) is int and abs(value) < 1e300:
        value = float(value)
    if type(value) is not expected:
        raise InputError(f"SET: {name} = {shown(name, text)} is {type(value).__name__}, expected {expected.__name__}")
    return value
