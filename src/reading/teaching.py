"""Exercises that check an answer: what is right is computed by the book's own functions, what is wrong gets a hint.

>>> check("ex-rf-depth", 30.0)
ex-rf-depth: not yet. The scanner turns travel time into depth with its own speed of sound, not with the phantom's.
"""

import difflib
from dataclasses import dataclass
from numbers import Real
from types import EllipsisType

import numpy as np

from ground.errors import InputError
from reading import answers


@dataclass(frozen=True)
class Checked:
    """What became of an answer: true if it is right, and what to say of it."""

    label: str
    right: bool
    says: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"{self.label}: {self.says}"


def check(label: str, answer: float | EllipsisType) -> Checked:
    """Hold an answer to an exercise, a number in its unit, against the computed one.

    Within the exercise's tolerance it is right; else the hint is told, never the answer. Three dots stand for an answer
    not given yet. Raises ``InputError`` for an unknown exercise, naming the nearest, and for what is no finite number.
    """
    asked = exercise(label)
    if isinstance(answer, EllipsisType):
        return Checked(label, False, f"your answer ({asked.unit}) takes the place of the three dots.")
    if isinstance(answer, bool) or not isinstance(answer, Real) or not np.isfinite(answer):
        raise InputError(f"check: {label} = {answer!r}: expected a finite number ({asked.unit})")
    right = abs(float(answer) - asked.compute()) <= asked.tolerance
    return Checked(label, right, "right." if right else f"not yet. {asked.hint}")


def exercise(label: str) -> answers.Answer:
    """Return how an exercise is checked; raises ``InputError`` naming the nearest one for a label that has no check."""
    if label in answers.ANSWERS:
        return answers.ANSWERS[label]
    near = difflib.get_close_matches(str(label), answers.ANSWERS, n=1, cutoff=0)
    raise InputError(f"check: {label!r}: no exercise with a check has this name; the nearest is {near[0]!r}")
