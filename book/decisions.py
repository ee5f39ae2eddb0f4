"""The page of all decisions: what the paper leaves open, and what each chapter does about it.

A decision is what follows ``**Decision**:`` in a paragraph of a chapter.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

MARK = "**Decision**:"
CHAPTER = re.compile(r"\[\]\((\d\d_\w+)\)")  # a link from one chapter to another
INTRODUCTION = (
    "Where the paper is silent or unclear, a chapter decides and says so. All decisions, in the order of the book; "
    "each leads to its place."
)


class Decision(NamedTuple):
    """The label of a paragraph, and what it decides."""

    label: str
    text: str


def labelled(notebook: Any, chapter: str) -> list[Decision]:
    """Give each decision of a notebook a label, and return them in order."""
    found: list[Decision] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and MARK in cell.source:
            paragraphs = cell.source.split("\n\n")
            cell.source = "\n\n".join(with_label(paragraph, chapter, found) for paragraph in paragraphs)
    return found


def with_label(paragraph: str, chapter: str, found: list[Decision]) -> str:
    """Return a paragraph under a label if it decides something, which is added to what was found."""
    _, mark, text = paragraph.partition(MARK)
    if not mark:
        return paragraph
    found.append(Decision(f"decision-{chapter[:2]}-{len(found) + 1}", " ".join(text.split())))
    return f"({found[-1].label})=\n{paragraph}"


def page(chapters: Mapping[str, list[Decision]]) -> str:
    """Return the page as MyST markdown, from the decisions of each chapter by its title."""
    sections = ["\n".join([f"## {title}\n", *map(item, found)]) for title, found in chapters.items() if found]
    return "\n\n".join(["# Decisions", INTRODUCTION, *sections])


def item(decision: Decision) -> str:
    """Return one decision with the way to its place."""
    text = CHAPTER.sub(r"{doc}`/notebooks/\1`", decision.text)
    return f"- {text[0].upper()}{text[1:]} ({{ref}}`why <{decision.label}>`)"
