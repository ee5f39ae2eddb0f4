"""The measures of the house: how large its parts are, what they load, and whether chapters fit their page.

``make measures`` prints them; the tests hold the limits.
"""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import jupytext

SOURCE = Path("src")
HELPERS = ("helpers", "helpers/data", "helpers/maps", "helpers/learning", "helpers/judgement")
PARTS = ("ground", *HELPERS, "entry", "recorded", "physics", "beyond", "pages", "trust", "reading")
LIMITS = {"helpers": 3000, "src": 6000, "book": 6400, "part": 1150, "modules": 9, "function": 26, "by hand": 12}
# the book: 6000 as planned, and 400 for what came after the plan: other truths, a network of their own, and nulls
OF_LABORATORIES = ("recorded", "physics")  # what recordings bring and need: as large as their habits are many
OF_READERS = ("reading",)  # what readers move, draw and practise: nothing stands on it
WIDTH, LENGTH = 79, 25  # of code on a page; of an open cell
FENCED = re.compile(r"^ *```(?:bash|python)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)  # code in the prose
CHAPTERS_WITH_TORCH = 7


@cache
def code_lines(path: Path) -> set[int]:
    """Return the numbers of the lines that hold code: no blanks, comments or docstrings."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    with open(path, "rb") as file:
        tokens = [
            token for token in tokenize.tokenize(file.readline) if token.type not in {*skipped, tokenize.ENCODING}
        ]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def modules(part: str) -> list[Path]:
    """Return the modules of a part; the ground is what lies in ``helpers`` itself."""
    return sorted(path for path in (SOURCE / part).glob("*.py") if path.name != "__init__.py")


def lines_of(part: str) -> int:
    """Return the lines of code of a part, its face included."""
    return sum(len(code_lines(path)) for path in (SOURCE / part).glob("*.py"))


def lines_of_book() -> int:
    """Return the lines of code that the book of simulated patients stands on."""
    return sum(lines_of(part) for part in PARTS if part not in OF_LABORATORIES + OF_READERS)


def longest_module() -> tuple[int, str]:
    """Return the longest module in lines of code."""
    return max((len(code_lines(path)), str(path)) for path in SOURCE.rglob("*.py"))


def longest_function() -> tuple[int, str]:
    """Return the longest function in lines of code."""
    return max(function for path in SOURCE.rglob("*.py") for function in functions(path))


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of code of every function of a module, and its name."""
    lines = code_lines(path)
    yield 0, str(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            own = lines & set(range(node.lineno, (node.end_lineno or 0) + 1))
            yield len(own), f"{path}:{node.name}"


def loads_torch(imports: str) -> bool:
    """Tell whether import statements load torch, in a fork of this process, which has loaded what most of them share.

    Raises ``RuntimeError`` for imports that fail, and where torch is loaded already.
    """
    if "torch" in sys.modules:
        raise RuntimeError("torch is loaded already, expected a process without it")
    if not (child := os.fork()):
        with suppress(BaseException):
            exec(imports, {})
            os._exit("torch" in sys.modules)
        os._exit(2)
    if (status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) not in (0, 1):
        raise RuntimeError(f"{imports!r} ended with status {status}")
    return status == 1


def load_shared() -> None:
    """Load the libraries without torch that most modules and chapters import."""
    for name in ("lifelines", "optuna", "pages.figures", "helpers.stages", "recorded.check", "sklearn.linear_model"):
        importlib.import_module(name)


def modules_with_torch() -> list[str]:
    """Return the modules that load torch."""
    paths = [path for part in PARTS for path in modules(part)]
    names = [".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in paths]
    return [name for name in names if loads_torch(f"import {name}")]


def chapters() -> list[Path]:
    """Return the chapters, in order."""
    return sorted(Path("notebooks").glob("[0-9][0-9]_*.py"))


def chapters_with_torch() -> list[str]:
    """Return the chapters whose import statements load torch."""
    return [path.stem for path in chapters() if imports_torch(path)]


def imports_torch(chapter: Path) -> bool:
    """Tell whether the import statements of a chapter load torch, in a process of its own."""
    found = [node for node in ast.parse(chapter.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return loads_torch("\n".join(map(ast.unparse, found)))


def open_cells(chapter: Path) -> list[str]:
    """Return the code of the cells that a reader sees unasked."""
    folded = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
    cells = [cell for cell in jupytext.read(chapter).cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if not folded & set(cell.metadata.get("tags", []))]


def cut_off(chapter: Path) -> list[str]:
    """Return the lines of code, open, folded or in the prose, that the page would cut off."""
    cells = jupytext.read(chapter).cells
    shown = [cell for cell in cells if not {"remove-input", "remove-cell"} & set(cell.metadata.get("tags", []))]
    code = [
        part for cell in shown for part in ([cell.source] if cell.cell_type == "code" else FENCED.findall(cell.source))
    ]
    return [line for part in code for line in part.splitlines() if len(line) > WIDTH]


def too_long(chapter: Path) -> list[str]:
    """Return the open cells of more than ``LENGTH`` lines."""
    return [cell for cell in open_cells(chapter) if len(cell.splitlines()) > LENGTH]


LESSONS = {  # functions that are what a chapter teaches
    "choice_of_epoch",
    "choice_of_threshold",
    "expected_recurrences",
    "fitted_on_all",
    "five_numbers",
    "held",
    "size_for_tissue",
    "split_of_planes",
}
DRAWING = re.compile(r"\b(plt|axes?|fig|figure)\.\w+\(|figures\.show_\w+\(")


def plumbing(chapter: Path) -> list[str]:
    """Return the open cells that are no science: imports alone, drawings, long tables and texts, functions."""
    return [cell for cell in open_cells(chapter) if is_plumbing(cell)]


def is_plumbing(cell: str) -> bool:
    """Tell whether a cell belongs folded."""
    tree = ast.parse(cell)
    shown = [node for node in tree.body if isinstance(node, ast.Expr) and "Markdown" in ast.unparse(node)]
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)} - LESSONS
    only_imports = all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
    long_text = any((node.end_lineno or 0) - node.lineno > 1 for node in shown)
    return only_imports or long_text or bool(defined) or bool(DRAWING.search(cell))


def laid_by_hand() -> int:
    """Return how many statements the formatter is told to leave alone."""
    folders = (SOURCE, Path("notebooks"), Path("tests"), Path("book"), Path("benchmarks"))
    return sum(path.read_text().count("# fmt: " + "skip") for folder in folders for path in folder.rglob("*.py"))


def import_contract() -> str:
    """Return whether imports run downwards only, as import-linter says."""
    answer = subprocess.run([Path(sys.executable).with_name("lint-imports"), "--no-cache"], capture_output=True)
    return "broken" if answer.returncode else "kept"


def main() -> None:
    """Print all measures."""
    print("lines of code, without docstrings, comments and blanks (modules)")
    for part in PARTS:
        print(f"  {part:20} {lines_of(part):6} ({len(modules(part))})")
    print(f"  {'helpers, all':20} {sum(map(lines_of, HELPERS)):6} (at most {LIMITS['helpers']})")
    print(f"  {'src':20} {sum(map(lines_of, PARTS)):6} (planned: {LIMITS['src']})")
    but = ", ".join(OF_LABORATORIES + OF_READERS)
    print(f"  {'what the book needs':20} {lines_of_book():6} (at most {LIMITS['book']}): all but {but}")
    for title, longest in (("longest module", longest_module()), ("longest function", longest_function())):
        print(f"{title:22} {longest[0]:6} {longest[1]}")
    print(f"{'import contract':22} {import_contract():>6}")
    load_shared()
    print(f"modules that load torch: {json.dumps(modules_with_torch())}")
    print(f"chapters that load torch (at most {CHAPTERS_WITH_TORCH}): {json.dumps(chapters_with_torch())}")
    wide, long = (sum(len(find(path)) for path in chapters()) for find in (cut_off, too_long))
    print(f"lines of code over {WIDTH}: {wide}; open cells over {LENGTH} lines: {long}")
    print(f"open cells that belong folded: {sum(len(plumbing(path)) for path in chapters())}")
    print(f"statements laid by hand (fmt: skip): {laid_by_hand()}")


if __name__ == "__main__":
    main()
