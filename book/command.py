"""One command line for the book: check a run's parameters, execute a chapter or a piece, render, or all of it.

``python book/command.py book --profile smoke --set "image_px=96"`` is what ``make book`` does. What one command alone
needs is imported where it is done: the book starts this file for each of its chapters.
"""

import environment

if __name__ == "__main__":
    environment.enter()  # before anything of a reader's own is imported

import argparse
import atexit
import builtins
import fcntl
import gc
import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TextIO
from urllib.parse import quote

import addresses
import chapters
import given
import runs

from ground import errors
from ground.artifacts import file_digest, is_running, project_path, sweep
from ground.commands import INSIDE, CommandLine, count_in_silence, of_system, run_command
from ground.errors import InputError
from ground.profiles import read_parameters
from helpers.settings import SIMULATED, Settings

BUILD = Path("_build")
SOURCES = ("src", "notebooks", "book", "results", "data")


@contextmanager
def only_build() -> Iterator[TextIO]:
    """Hold the lock of this checkout. It ends with the last process that was started under it, however that ends.

    Raises ``InputError`` when another build holds it; what a build that was killed has left in it holds nothing.
    """
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"a build is running here already{holder(file)}; wait for it, or end it") from None
        note(file, os.getpid())
        yield file


def note(file: TextIO, *pids: int) -> None:
    """Write down which processes hold the lock, and since when."""
    file.seek(0)
    file.truncate()
    file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {' '.join(map(str, pids))}")
    file.flush()


def holder(file: TextIO) -> str:
    """Return what the lock tells of its holder: the first of its processes that is running."""
    file.seek(0)
    since, _, pids = file.read().partition(" UTC ")
    running = [pid for pid in pids.split() if pid.isdigit() and is_running(int(pid))]
    return f" (process {running[0]}, since {since} UTC)" if running else ""


def book(options: argparse.Namespace) -> int:
    """Check parameters, execute what is needed, render; nothing is looked at before the lock is held."""
    import jobs

    for asked_to_stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(asked_to_stop, stop)
    home = BUILD / runs.place(options.run)
    with only_build() as lock:
        settings = chapters.settings_of(options.profile, options.set)
        addresses.give(options.baseurl, options.repository)
        if not settings.study.simulated and (status := tell(settings)):
            return status
        run = chapters.resolve(options.profile, options.set, options.artifacts)
        settings, artifacts = jobs.read(run / "parameters" / "stages.yml")
        given.check_device(settings)
        sweep(project_path(artifacts))  # where SET may have put it
        jobs.discard_records_of_lost_results(run)
        discard_stale_chapters(run)
        state = state_of(run)  # before: what is edited while it runs is for the next build
        if is_built(run, state, home):
            print("Nothing has changed since it was made.")
        else:
            look_old(home / "html" / "index.html")
            if status := snakemake(run, "--cores", str(options.cores), "--quiet", "all", lock=lock, name=options.run):
                print(own_error(run), end="", file=sys.stderr)
                return status
        (home / runs.BUILT).write_text(state)
    print(f"The book is at file://{(home / 'html' / 'index.html').resolve()}")
    return 0


def check(options: argparse.Namespace) -> int:
    """Hold a recorded cohort against its contract and tell all faults; nothing is computed."""
    values = chapters.settings_of(options.profile, options.set)
    if values.study.simulated:
        raise InputError("check: the cohort is simulated, expected DATA=path/to/cohort")
    return tell(values)


def tell(settings: Settings) -> int:
    """Print what the check of a recorded cohort finds; return 2 if it cannot be used, else 0."""
    from recorded.check import check as look

    found = look(project_path(settings.study.cohort), settings.maps.band)
    for line in found.habits:
        print(f"note: {line}", file=sys.stderr)
    for line in found.warnings:
        print(f"warning: {line}", file=sys.stderr)
    for fault in found.faults:
        print(f"error: {fault}", file=sys.stderr)
    print(found.summary + (f"; {len(found.faults)} faults" if found.faults else "; in order"))
    return 2 if found.faults else 0


def stop(number: int, frame: Any) -> NoReturn:
    """End as Ctrl-C does, with all that was started."""
    raise KeyboardInterrupt


def is_built(run: Path, state: str, home: Path = BUILD) -> bool:
    """Tell whether a rendered book is that of this run and of its sources, in a second where Snakemake needs five."""
    told = home / runs.BUILT
    if not told.exists() or told.read_text() != state:
        return False
    import render  # a second, for a book that may be built

    from helpers import stages

    made = [run / "stages" / f"{door}.json" for door in stages.DOORS] + render.executed(run)
    return all(path.exists() for path in [*made, home / "html" / "index.html"])


def look_old(page: Path) -> None:
    """Have a page rendered anew whatever its clock says: a rendering that failed gives it the time of its failure."""
    if page.exists():
        os.utime(page, (1, 1))  # a time of 0 is none to Snakemake


def state_of(run: Path) -> str:
    """Return the run and the digest of every file that the book is made from."""
    import jobs

    from helpers import stages

    settings, _ = jobs.read(run / "parameters" / "stages.yml")
    sources = [path for folder in SOURCES for path in Path(folder).rglob("*") if path.is_file()]
    sources += [Path(name) for name in ("Snakefile", "_config.yml")] + list((run / "parameters").iterdir())
    sources += stages.recorded_files(settings) + chapters.own_files(run)
    digests = [file_digest(path) for path in sorted(sources) if "__pycache__" not in path.parts]
    return f"{run} {hashlib.sha256(''.join([*digests, str(addresses.addresses())]).encode()).hexdigest()}"


def snakemake(run: Path, *words: str, lock: TextIO, name: str = "") -> int:
    """Run Snakemake on a run, to be rendered under a name.

    It inherits the lock, so that a killed build does not let in another beside it.

    It and its jobs are a group of their own, which ends with this process when that is asked to stop.
    """
    command = [*SNAKEMAKE, *words, "--nolock", "--rerun-incomplete", *TRIGGERS, *config(run)]
    command += [f"place={runs.place(name).as_posix()}"] if name else []
    quietly = os.environ | {INSIDE: "1"}
    with subprocess.Popen(command, pass_fds=[lock.fileno()], start_new_session=True, env=quietly) as process:
        note(lock, os.getpid(), process.pid)
        try:
            return process.wait()
        except BaseException:
            end_group(process)
            raise


SNAKEMAKE = (sys.executable, "-m", "snakemake")
TRIGGERS = ("--rerun-triggers", "mtime", "params", "code", "software-env")  # inputs count by content, among the params
PATIENCE_S = 15  # for jobs to leave nothing half-written


def config(run: Path) -> tuple[str, str]:
    """Return the words that tell Snakemake the folder of the run, which it would read as YAML without its quotes."""
    return "--config", f"run={quote(str(run))}"


def end_group(process: subprocess.Popen) -> None:
    """Ask a process and all of its group to stop, and end what has not after a while."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(PATIENCE_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def own_error(run: Path) -> str:
    """Return what Snakemake itself complains of, if it does; a chapter's error stands on the screen already."""
    answer = subprocess.run([*SNAKEMAKE, "--dry-run", "--nolock", *config(run)], capture_output=True, text=True)
    return answer.stderr if answer.returncode else ""


def discard_stale_chapters(run: Path) -> None:
    """Remove executed chapters whose code is another now, whatever the clocks of files say."""
    for chapter in sorted(Path("notebooks").glob(chapters.CHAPTERS)):
        executed = run / "chapters" / f"{chapter.stem}.ipynb"
        if executed.exists() and not chapters.is_current(chapter, executed):
            executed.unlink()


def chapter(options: argparse.Namespace) -> int:
    """Execute one chapter with the values of a parameter file."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    source, output = options.chapter, options.output
    output.parent.mkdir(parents=True, exist_ok=True)
    print(f"{source.stem} ...", flush=True)
    try:
        duration = chapters.execute(source, read_parameters(options.parameters), output)
    except PapermillExecutionError as error:
        return tell_failure(error, source, output)
    except DeadKernelError:
        raise errors.Ended(f"{source}: its process was ended from outside, {errors.MEMORY}") from None
    print(f"{source.stem} done in {duration:.0f} s", flush=True)
    return 0


def tell_failure(error: Any, source: Path, output: Path) -> int:
    """Print what stopped a chapter: one line where that tells what to do, else the cell's traceback too."""
    kind, what = getattr(builtins, error.ename, None), error.evalue
    refused = isinstance(kind, type) and issubclass(kind, OSError)
    if error.ename not in ("InputError", "Ended") and not refused:
        print(f"{error}\n{source} failed; see {output.with_suffix('.failed.ipynb')}", file=sys.stderr)
        return 1
    if refused and (told := re.match(r"\[Errno (\d+)\] (.*?)(?:: '(.*)')?$", what)):
        what = of_system(OSError(int(told[1]), told[2], told[3]))
    print(f"error: {source}: {what}", file=sys.stderr)
    return 1 if error.ename == "Ended" else 2


def piece(options: argparse.Namespace) -> int:
    """Do one of the jobs, and leave a record of it."""
    import jobs

    count_in_silence(SIMULATED)  # they saturate and sink into noise by the hundred
    handed = *jobs.read(options.parameters), options.piece, *options.more(options)
    job = getattr(jobs, options.job)
    jobs.record(lambda: job(*handed), f"{options.command} {options.piece}", options.output)
    return 0


def rendered(options: argparse.Namespace) -> int:
    """Render a run's executed chapters."""
    import render

    print("rendering ...", flush=True)
    render.render(options.run, options.name)
    return 0


def compared(options: argparse.Namespace) -> int:
    """Render a page that holds two runs against each other."""
    import compare

    page = compare.render(options.runs.split())
    print(f"The comparison is at file://{page.resolve()}")
    return 0


def notebooks(options: argparse.Namespace) -> int:
    """Write every chapter as a notebook beside it, with the parameters of a profile."""
    import jupytext

    settings = chapters.settings_of(options.profile, "")
    for path in sorted(Path("notebooks").glob(chapters.CHAPTERS)):
        jupytext.write(chapters.with_values(path, settings, options.profile), path.with_suffix(".ipynb"))
    return 0


def made_of_pages(options: argparse.Namespace) -> int:
    """Make one file of the rendered book, and print where it is."""
    import epub
    import paper
    import release

    html = BUILD / "html"
    make = {"pdf": paper.pdf, "epub": epub.epub, "release": lambda pages, _: release.release(pages)}[options.command]
    print(make(html, release.bound(html, options.command)))
    return 0


def cores(text: str) -> int:
    """Return a number of cores; all of them if nothing is said."""
    n_cores = int(text) if text else os.cpu_count() or 1
    if n_cores < 1:
        raise argparse.ArgumentTypeError(f"{n_cores}, expected 1 or more")
    return n_cores


def exported(options: argparse.Namespace) -> int:
    """Write the simulated cohort of a run as recordings, in the contract of ``data/README.md``."""
    import jobs

    from helpers import stages
    from recorded import export

    run = chapters.resolve(options.profile, options.set, options.artifacts)
    settings, artifacts = jobs.read(run / "parameters" / "stages.yml")
    more = options.id, options.patients, options.degraded
    wanted = export.plan(stages.cohort(settings, artifacts), settings, *more)
    folder = export.new_folder(options.to, wanted.n_bytes)
    print(f"writing {wanted} to {folder} ...", flush=True)
    export.write(wanted, folder)
    return 0


def for_class(options: argparse.Namespace) -> int:
    """Write the chapters as notebooks for students and for instructors; with data, what they start from as well."""
    import students  # loads what answers are computed with

    count_in_silence(SIMULATED)  # they saturate and sink into noise by the hundred
    settings = chapters.settings_of(options.profile, options.set)
    folder = students.hand_out(settings, options.artifacts, options.to, options.with_data)
    print(f"written to {folder}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    line = CommandLine(prog="python book/command.py", description=__doc__)
    commands = line.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("book", help="all of it")
    whole.add_argument("--cores", type=cores, default=cores(""))
    whole.add_argument("--baseurl", default="", help="where the pages will stand")
    whole.add_argument("--repository", default="", help="where the project's repository stands")
    whole.add_argument("--run", default="", metavar="NAME", help="renders its own pages, in _build/runs/NAME/html")
    whole.set_defaults(do=book)
    two = commands.add_parser("compare", help="hold two rendered runs against each other, on a page")
    two.add_argument("runs", metavar="'NAME NAME'", help="the unnamed run goes by the name of its profile")
    two.set_defaults(do=compared)
    look = commands.add_parser("check", help="hold a recorded cohort against its contract, compute nothing")
    look.set_defaults(do=check)
    resolve = commands.add_parser("resolve", help="check the parameters of a run, write them down, print its folder")
    resolve.set_defaults(do=lambda o: print(chapters.resolve(o.profile, o.set, o.artifacts)))
    written = commands.add_parser("export", help="write the simulated cohort as recordings")
    written.add_argument("to", metavar="FOLDER")
    written.add_argument("--id", default="E001", help="of the first patient, as in BR-07 or 101; others count up")
    written.add_argument("--patients", type=int, help="how many, the first ones, in place of all")
    written.add_argument("--degraded", action="store_true", help="as bad as the contract allows, to try the book with")
    written.set_defaults(do=exported)
    handed = [commands.add_parser(name, help=told) for name, told in OF_CLASS.items()]
    for one, with_data in zip(handed, (False, True), strict=True):
        one.add_argument("to", metavar="FOLDER")
        one.set_defaults(do=for_class, with_data=with_data)
    for one in (whole, resolve, look, written, *handed):
        one.add_argument("--profile", default="laptop", help="a name in notebooks/profiles, or the path of a .yml file")
        one.add_argument("--set", default="", metavar="'NAME=VALUE ...'", help="single parameters")
        one.add_argument("--data", default="", help="folder of a recorded cohort, the same as cohort= in --set")
        one.add_argument("--artifacts", default="artifacts")
    single = commands.add_parser("run", help="execute one chapter")
    single.add_argument("chapter", type=Path)
    single.set_defaults(do=chapter)
    add_pieces(commands)
    for name in ("run", *PIECES):
        commands.choices[name].add_argument("--parameters", type=Path, required=True, help="of the run")
        commands.choices[name].add_argument("--output", type=Path, required=True)
    last = commands.add_parser("render", help="render the executed chapters of a run")
    last.add_argument("--run", type=Path, required=True, help="folder of the run")
    last.add_argument("--name", default="", help="under which its pages are kept")
    last.set_defaults(do=rendered)
    open_ones = commands.add_parser("notebooks", help="the chapters as notebooks with a profile's parameters")
    open_ones.add_argument("--profile", default="laptop")
    open_ones.set_defaults(do=notebooks)
    for name, words in {"pdf": "one PDF", "epub": "one EPUB", "release": "one archive with results and lock"}.items():
        commands.add_parser(name, help=f"the rendered book as {words}").set_defaults(do=made_of_pages)
    return line


OF_CLASS = {
    "students": "write the chapters as notebooks for students and for instructors",
    "teaching": "write the same with stored maps, images and models of a small simulated cohort",
}
PIECES = {  # of ``jobs``: what does it, and what it makes
    "stage": ("stage", "a result that chapters share: maps, images or models"),
    "records": ("write_records", "what each patient's maps are made from, a file each in a folder"),
    "patient": ("map_patient", "the maps of one patient"),
    "model": ("train_model", "one of the four models"),
    "trials": ("run_trials", "one worker's share of the search of one model"),
}


def add_pieces(commands: argparse._SubParsersAction) -> None:
    """Add the jobs to the command line."""
    for name, (job, words) in PIECES.items():
        one = commands.add_parser(name, help=words)
        one.add_argument("piece")
        one.set_defaults(do=piece, job=job, more=lambda options: ())
    commands.choices["patient"].add_argument("--record", type=Path, help="her file in the folder of records")
    commands.choices["patient"].set_defaults(more=lambda options: [options.record])
    commands.choices["model"].add_argument("--seed", type=int, help="in place of the profile's own")
    commands.choices["model"].set_defaults(more=lambda options: [options.seed])
    commands.choices["trials"].add_argument("--worker", type=int, default=0, help="a number of its own")
    commands.choices["trials"].set_defaults(more=lambda options: [options.worker])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; what is wrong is told in one line."""
    options = parser().parse_args(arguments)
    if getattr(options, "data", ""):
        options.set += f" cohort={shlex.quote(options.data)}"
    return run_command(lambda: told_faults(options))


def told_faults(options: argparse.Namespace) -> int:
    """Do what is asked for; what a page, a table or a file lacks ends it as what a user gave does."""
    try:
        return options.do(options) or 0
    except errors.OneLine:
        raise
    except (RuntimeError, ValueError) as error:
        raise InputError(str(error)) from error


if __name__ == "__main__":
    atexit.register(gc.freeze)  # a process that ends need not look for garbage first
    sys.exit(main())
