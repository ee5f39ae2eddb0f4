"""The exercises and questions of a chapter, read from the MyST directives in its markdown cells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

KINDS = ("recall", "compute", "vary", "project")
# one of three directives in a fence of four: its kind, its title or label, its options and its body
DIRECTIVE = re.compile(
    r"^````\{(?P<kind>exercise|solution|dropdown)\} (?P<title>[^\n]+)\n"
    r"(?P<options>(?::[^\n]+\n)*)\n?(?P<body>.*?)\n````$",
    re.MULTILINE | re.DOTALL,
)
TITLE = re.compile(rf"(?P<name>.+) · (?P<kind>{'|'.join(KINDS)}) · (?P<minutes>\d+) min")
LABEL = re.compile(r"^:label: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """One exercise with its solution, both as MyST text."""

    label: str
    name: str
    kind: str  # one of ``KINDS``
    minutes: int
    text: str
    solution: str


def exercises(text: str) -> Iterator[Exercise]:
    """Yield the exercises of a chapter's markdown; ``ValueError`` names one without solution, kind or minutes."""
    solutions = solutions_of(text)
    for found in DIRECTIVE.finditer(text):
        if found["kind"] != "exercise":
            continue
        label, title = label_of(found), TITLE.fullmatch(found["title"])
        if title is None:
            raise ValueError(f"{label}: {found['title']!r}, expected 'name · kind · 10 min' with a kind of {KINDS}")
        if label not in solutions:
            raise ValueError(f"{label}: expected a solution with this label")
        yield Exercise(label, title["name"], title["kind"], int(title["minutes"]), found["body"], solutions[label])


def solutions_of(text: str) -> dict[str, str]:
    """Return label -> solution of every exercise, and question -> answer of every question."""
    kinds = ("solution", "dropdown")
    return {found["title"]: found["body"] for found in DIRECTIVE.finditer(text) if found["kind"] in kinds}


def label_of(found: re.Match[str]) -> str:
    """Return the label of an exercise; empty where it has none."""
    label = LABEL.search(found["options"])
    return label[1].strip() if label else ""
