"""What a chapter found, in a few numbers: kept in its executed notebook, read by the pages that bring them together.

>>> Result("auc", "test AUC", 0.81, 0.65, 0.92).text
'0.81 (0.65–0.92)'
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from IPython.display import display

PREFIX = "application/papermill.record/"  # as ``myst_nb.glue`` keeps values: no page shows them
MIME = PREFIX + "text/plain"


@dataclass(frozen=True)
class Result:
    """One number of a cohort, never of a patient, with its interval where it has one; None is not computed."""

    name: str
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    form: str = ".2f"  # or "p", for a p-value
    unit: str = ""
    why: str = ""  # why it is not computed, or what there is too little of
    at: str = ""  # anchor on the chapter's page
    chapter: str = ""

    @property
    def text(self) -> str:
        """The number as text, such as 0.81 (0.65–0.92), 12 %, or why there is none."""
        from pages.judgement import NOT_COMPUTED, p_text  # loads what draws

        if self.value is None:
            return self.why or NOT_COMPUTED
        if self.form == "p":
            return p_text(self.value)
        value = f"{self.value:{self.form}}" + f" {self.unit}" * bool(self.unit)
        if self.low is None or self.high is None:
            return value
        to = " to " if "+" in self.form or self.low < 0 else "–"
        return f"{value} ({self.low:{self.form}}{to}{self.high:{self.form}})"

    @property
    def few(self) -> str:
        """What there was too little of, such as "too few: 2 non-responders", of a number that was computed."""
        return self.why if self.value is not None else ""

    def holds(self, value: float) -> bool:
        """Tell whether the interval is there and holds a value."""
        return self.low is not None and self.high is not None and self.low <= value <= self.high


def keep(name: str, label: str, found: Any, **more: Any) -> None:
    """Keep a number, or (value, low, high), of what a chapter found; NaN, infinite and None are not computed.

    ``more``: ``form``, ``unit``, ``why``, ``at`` of ``Result``.
    """
    values = found if isinstance(found, Iterable) else (found,)
    three = (float(value) if value is not None and isfinite(value) else None for value in values)
    numbers: dict[str, Any] = dict(zip(("value", "low", "high"), three, strict=False))
    result = asdict(Result(name, label, **({"value": None} | numbers), **more))
    told = {key: value for key, value in result.items() if value not in (None, "")}
    scrapbook = {"name": name, "mime_prefix": PREFIX}
    display({MIME: json.dumps(told)}, raw=True, metadata={"scrapbook": scrapbook})


def kept(notebook: str | Path) -> list[Result]:
    """Return the results that an executed chapter kept."""
    path = Path(notebook)
    outputs = [out for cell in json.loads(path.read_text())["cells"] for out in cell.get("outputs", [])]
    texts = ["".join(out["data"][MIME]) for out in outputs if MIME in out.get("data", {})]
    return [Result(**{"value": None} | json.loads(text), chapter=path.stem) for text in texts]
