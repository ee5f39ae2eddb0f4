"""What all tests share: shapes in annotations are held to their word, and small networks compute on one thread."""

import gc

from jaxtyping import install_import_hook

# before anything imports them: every call of a function is checked against the shapes that it declares
SHAPED = ("helpers.maps", "helpers.judgement", "physics", "beyond", "pages")
MOVED = ("reading.moving", "reading.roc", "reading.stills")
install_import_hook([*SHAPED, *MOVED], "beartype.beartype")


def pytest_collection_finish():
    """What is loaded by now stays to the end: the collector of garbage needs not look through it again and again."""
    gc.collect()
    gc.freeze()
