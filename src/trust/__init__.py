"""Trust: what is done to the method, to see how far it holds; nothing of the paper's path needs it."""

import sys
from importlib.util import find_spec
from pathlib import Path

_HOME = Path(__file__).parents[1]
_found = find_spec("helpers")
if _found and _found.origin and Path(_found.origin).parents[1] != _HOME:  # a reader's own package of that name
    sys.path.insert(0, str(_HOME))
