"""The same work on many items, side by side."""

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from tqdm import tqdm


def in_processes(work: Callable, items: Iterable, processes: int, label: str) -> list:
    """Apply ``work`` to every item in parallel single-threaded processes, in order, with a progress bar."""
    items = list(items)
    if processes == 1:
        return [work(item) for item in tqdm(items, desc=label)]
    with one_thread(), ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return list(tqdm(pool.map(work, items), total=len(items), desc=label))


@contextmanager
def one_thread():
    """Let child processes start with one thread each, so that they do not fight for cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
