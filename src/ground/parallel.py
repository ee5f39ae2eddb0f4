"""The same work on many items, side by side."""

from collections.abc import Callable, Iterable
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ground.errors import MEMORY, Ended


def in_processes(work: Callable, items: Iterable, processes: int, label: str) -> list[Any]:
    """Apply ``work`` to every item in parallel single-threaded processes, in order, with a progress bar.

    One process is this one, with one BLAS thread as well: more would round sums otherwise.
    Raises ``Ended`` when the system ended one of them.
    """
    items = list(items)
    try:
        with parallel_config("loky", inner_max_num_threads=1), threadpool_limits(1, "blas"):
            done = Parallel(n_jobs=processes, return_as="generator")(delayed(work)(item) for item in items)
            return list(tqdm(done, total=len(items), desc=label, disable=not items))
    except TerminatedWorkerError:
        raise Ended(f"{label}: a process was ended from outside, {MEMORY}") from None
