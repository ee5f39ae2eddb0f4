"""Processes that begin within milliseconds: forked from one that has loaded the libraries, once, beforehand."""

import gc
import multiprocessing
import os
import sys
import time
from multiprocessing import forkserver
from tempfile import NamedTemporaryFile
from unittest import mock

import environment

FORKING = multiprocessing.get_context("forkserver")
CHAPTERS = "pages.judgement", "reading.drawings", "trust.experiment"
LOADED = ["ipykernel.kernelapp", "seaborn", "snakemake.cli", "torchvision.models", "beyond.search", *CHAPTERS]


def prepare():
    """Load the libraries, in the book's own environment, if this has not been done."""
    FORKING.set_forkserver_preload(LOADED)
    with environment.of_kernel():
        forkserver.ensure_running()


def started(work, *arguments):
    """A process that works."""
    prepare()
    process = FORKING.Process(target=work, args=arguments)
    process.start()
    return process


def snakemake(*words):
    """What Snakemake says, which must end well."""
    with NamedTemporaryFile("r") as told:
        process = started(spoken, told.name, words)
        process.join()
        assert process.exitcode == 0, told.read()
        return told.read()


def spoken(path, words):
    """Be the Snakemake that these words start, and say all in a file."""
    with open(path, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from snakemake import cli

    cli.main(list(words))


class Kernel(FORKING.Process):
    """What Jupyter expects of the process that it started a kernel in, which leads a group of its own."""

    stdin = stdout = stderr = None

    def poll(self):
        return self.exitcode

    def wait(self):
        self.join()
        return self.exitcode


def serve(argv, env):
    """Be the kernel that this command line starts."""
    os.setsid()
    environment.replace(env)
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # it ends with what it was forked from
    gc.freeze()  # what was loaded stays: it need not be looked through again and again
    sys.argv = [*argv[argv.index("ipykernel_launcher") :], parent]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


def launch(argv, env, **_):
    """Start a kernel, as Jupyter does; return when it has its group, by which it is ended."""
    prepare()
    kernel = Kernel(target=serve, args=(argv, env))
    kernel.start()
    while os.getpgid(kernel.pid) != kernel.pid:
        time.sleep(0.001)
    return kernel


def kernels():
    """Kernels are forked while this context lasts."""
    return mock.patch("jupyter_client.provisioning.local_provisioner.launch_kernel", launch)
