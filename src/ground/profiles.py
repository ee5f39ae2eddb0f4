"""Files of parameters: plain YAML, a name and a value a line; what could be read in two ways is refused by its line."""

import re
from pathlib import Path
from typing import Any

import yaml

from ground.errors import InputError

LARGEST = 1_000_000  # bytes of a file of parameters
NUMBER = re.compile(r"[-+]?(\.\d+|(0|[1-9]\d*)(\.\d*)?)([eE][-+]?\d+)?$")  # 1e-4 too, as YAML 1.2 has it
TWO_WAYS = re.compile(r"[-+]?0\d[\d_]*$|[-+]?0[box][\da-fA-F_]+$|[-+]?\d[\d_]*_[\d_]*$|[-+]?\d+(:\d+)+(\.\d*)?$")


class Reader(yaml.SafeLoader):
    """YAML without what makes a small file large, or its meaning a guess."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise refused(self.peek_event(), "found a reference '*...', expected the value itself")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in names[:number]:
                raise refused(key, f"{key.value} is given twice, expected once")
        return super().construct_mapping(node, deep)

    def two_ways(self, node: Any) -> Any:
        raise refused(node, f"{node.value} can be read in two ways, expected a plain decimal number")


class Writer(yaml.SafeDumper):
    """YAML that ``Reader`` reads back: a text that looks like a number is quoted."""


def refused(place: Any, what: str) -> yaml.MarkedYAMLError:
    """Return an error that stands at a node or at an event."""
    return yaml.MarkedYAMLError(problem=what, problem_mark=place.start_mark)


Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag.endswith((":bool", ":null"))]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _side in (Reader, Writer):
    _side.add_implicit_resolver("!two_ways", TWO_WAYS, list("-+0123456789"))
    _side.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9]\d*)$"), list("-+0123456789"))
    _side.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))
Reader.add_constructor("!two_ways", Reader.two_ways)


def read_parameters(path: str | Path) -> dict[str, Any]:
    """Return name -> value of a parameter file; nothing if it is not there.

    Raises ``InputError`` naming the file and the line for what is no list of names and values, or in doubt.
    """
    path = Path(path)
    if not path.exists():
        return {}
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes, expected a file of parameters")
    try:
        values = yaml.load(path.read_bytes(), Reader) or {}  # noqa: S506, a safe loader
    except yaml.YAMLError as error:
        raise InputError(f"{path}{line_of(error)}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {type(error).__name__}, expected lines of the form 'parameter: value'") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected lines of the form 'parameter: value', got {type(values).__name__}")
    return values


def line_of(error: yaml.YAMLError) -> str:
    """Return where an error stands, and what is wrong, in one line."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return (f", line {mark.line + 1}: " if mark else ": ") + " ".join(what.split())
