"""What all tests share: shapes in annotations are held to their word, and what takes longest begins first."""

import gc

import pytest
from jaxtyping import install_import_hook

# before anything imports them: every call of a function is checked against the shapes that it declares
SHAPED = ("helpers.maps", "helpers.judgement", "physics", "beyond", "pages")
MOVED = ("reading.moving", "reading.roc", "reading.stills")
install_import_hook([*SHAPED, *MOVED], "beartype.beartype")


LONGEST = ("book", "chapters", "results", "jobs", "follow", "any_cohort", "statistics", "training", "entry", "scale")
FIRST = [f"test_{name}.py" for name in LONGEST]  # of the files: what is left at the end is short


def pytest_collection_modifyitems(items):
    """A worker is handed the next file when it has done its own: two end together if the last ones are short."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is loaded stays to the end: the collector of garbage need not look through it, neither now nor later."""
    gc.disable()
    collected = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return collected
