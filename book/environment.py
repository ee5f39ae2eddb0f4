"""The book's own surroundings: what a reader has configured for other work changes nothing here.

Nothing is imported but the standard library, so that it can be put right before anything else is.
"""

import gc
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
INLINE = "module://matplotlib_inline.backend_inline"
FOREIGN = (  # what would change how Python, Jupyter or Snakemake work, or how wide their lines are
    *("PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONSAFEPATH", "IPYTHONDIR", "LANGUAGE"),
    *("JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "SNAKEMAKE_PROFILE", "COLUMNS", "LINES"),
)


def own_variables() -> dict[str, str]:
    """Return the environment that the book is made in: the reader's, with what would change the book replaced."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    matplotlib = Path(sysconfig.get_path("platlib")) / "matplotlib"
    if matplotlib.exists():  # this environment is whole, and needs nothing of what a user has installed for all of hers
        kept |= {"PYTHONNOUSERSITE": "1", "MATPLOTLIBRC": str(matplotlib / "mpl-data" / "matplotlibrc")}
    first = [str(ROOT / "src"), str(ROOT / "book")]
    others = [path for path in kept.get("PYTHONPATH", "").split(os.pathsep) if path and path not in first]
    return kept | {
        "PYTHONPATH": os.pathsep.join(first + others),
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "LC_ALL": "C",
        "MPLBACKEND": INLINE,
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),  # whose kernel `python3` is this very Python
        "JUPYTER_NO_CONFIG": "1",
    }


def enter() -> None:
    """Start this very command anew in the book's own environment, unless it is in it."""
    own = own_variables()
    if own != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], own)
    gc.set_threshold(10_000)  # of what is imported next, nothing is garbage


@contextmanager
def of_kernel() -> Iterator[Path]:
    """Let a kernel be started in the book's own environment, with empty folders for what IPython and Jupyter read.

    Yields where they are.
    """
    before = dict(os.environ)
    with TemporaryDirectory(prefix="kernel-") as empty:
        own = {name: f"{empty}/{name.lower()}" for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
        replace(own_variables() | own)
        try:
            yield Path(empty)
        finally:
            replace(before)


def replace(variables: dict[str, str]) -> None:
    """Make these the variables of this process, and no others."""
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)
