"""One command line for the book: check a run's parameters, execute a chapter or a piece, render, or all of it.

``python book/command.py book --profile smoke --set "image_px=96"`` is what ``make book`` does.
"""

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import chapters
import jobs
import render
import yaml

from helpers import stages
from helpers.artifacts import file_digest, project_path, sweep
from recorded import export

BUILD = Path("_build")
SOURCES = ("src", "notebooks", "book", "results", "data")


@contextmanager
def only_build() -> Iterator[int]:
    """Hold the lock of this checkout. It ends with the last process that was started under it, however that ends.

    Raises ``RuntimeError`` when another build holds it.
    """
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError("a build is running here already") from None
        yield file.fileno()


def book(options: argparse.Namespace) -> int:
    """Check parameters, execute what is needed, render; nothing is looked at before the lock is held."""
    with only_build() as lock:
        run = chapters.resolve(options.profile, options.set, options.artifacts)
        sweep(project_path(jobs.read(run / "parameters" / "stages.yml")[1]))  # where SET may have put it
        jobs.discard_records_of_lost_results(run)
        discard_stale_chapters(run)
        state = state_of(run)  # before: what is edited while it runs is for the next build
        if is_built(run, state):
            print("Nothing has changed since it was made.")
        elif status := snakemake(run, "--cores", str(options.cores), "--quiet", "all", keep_open=lock):
            print(own_error(run), end="", file=sys.stderr)
            return status
        (BUILD / "built").write_text(state)
    print(f"The book is at file://{(BUILD / 'html' / 'index.html').resolve()}")
    return 0


def is_built(run: Path, state: str) -> bool:
    """Tell whether the rendered book is that of this run and of its sources, in a second where Snakemake needs five."""
    made = [run / "stages" / f"{door}.json" for door in stages.DOORS] + render.executed(run)
    told = BUILD / "built"
    there = all(path.exists() for path in [*made, BUILD / "html" / "index.html", told])
    return there and told.read_text() == state


def state_of(run: Path) -> str:
    """Return the run and the digest of every file that the book is made from."""
    settings, _ = jobs.read(run / "parameters" / "stages.yml")
    sources = [path for folder in SOURCES for path in Path(folder).rglob("*") if path.is_file()]
    sources += [Path(name) for name in ("Snakefile", "_config.yml")] + list((run / "parameters").iterdir())
    sources += stages.recorded_files(settings) + chapters.own_files(run)
    digests = [file_digest(path) for path in sorted(sources) if "__pycache__" not in path.parts]
    return f"{run} {hashlib.sha256(''.join(digests).encode()).hexdigest()}"


def snakemake(run: Path, *words: str, keep_open: int) -> int:
    """Run Snakemake on a run; it inherits the lock, so that a killed build does not let in another beside it."""
    command = [sys.executable, "-m", "snakemake", *words, "--nolock", "--rerun-incomplete", "--config", f"run={run}"]
    return subprocess.run(command, pass_fds=[keep_open]).returncode


def own_error(run: Path) -> str:
    """Return what Snakemake itself complains of, if it does; a chapter's error stands on the screen already."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", "--config", f"run={run}"]
    answer = subprocess.run(command, capture_output=True, text=True)
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
        duration = chapters.execute(source, yaml.safe_load(options.parameters.read_text()) or {}, output)
    except (PapermillExecutionError, DeadKernelError) as error:
        print(f"{error}\n{source} failed; see {output.with_suffix('.failed.ipynb')}", file=sys.stderr)
        return 1
    print(f"{source.stem} done in {duration:.0f} s", flush=True)
    return 0


def piece(options: argparse.Namespace) -> int:
    """Do one of the jobs, and leave a record of it."""
    given = *jobs.read(options.parameters), options.piece, *options.more(options)
    jobs.record(lambda: options.job(*given), f"{options.command} {options.piece}", options.output)
    return 0


def rendered(options: argparse.Namespace) -> int:
    """Render a run's executed chapters."""
    print("rendering ...", flush=True)
    render.render(options.run)
    return 0


def exported(options: argparse.Namespace) -> int:
    """Write the simulated cohort of a run as recordings, in the contract of ``data/README.md``."""
    run = chapters.resolve(options.profile, options.set, options.artifacts)
    settings, artifacts = jobs.read(run / "parameters" / "stages.yml")
    more = options.id, options.patients, options.degraded
    wanted = export.plan(stages.cohort(settings, artifacts), settings, *more)
    folder = export.new_folder(options.to, wanted.n_bytes)
    print(f"writing {wanted} to {folder} ...", flush=True)
    export.write(wanted, folder)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    line = argparse.ArgumentParser(prog="python book/command.py", description=__doc__)
    commands = line.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("book", help="all of it")
    whole.add_argument("--cores", type=int, default=os.cpu_count())
    whole.set_defaults(do=book)
    resolve = commands.add_parser("resolve", help="check the parameters of a run, write them down, print its folder")
    resolve.set_defaults(do=lambda o: print(chapters.resolve(o.profile, o.set, o.artifacts)))
    written = commands.add_parser("export", help="write the simulated cohort as recordings")
    written.add_argument("to", metavar="FOLDER")
    written.add_argument("--id", default="E001", help="of the first patient, as in BR-07 or 101; others count up")
    written.add_argument("--patients", type=int, help="how many, the first ones, in place of all")
    written.add_argument("--degraded", action="store_true", help="as bad as the contract allows, to try the book with")
    written.set_defaults(do=exported)
    for one in (whole, resolve, written):
        one.add_argument("--profile", default="laptop", help="a name in notebooks/profiles, or the path of a .yml file")
        one.add_argument("--set", default="", metavar="'NAME=VALUE ...'", help="single parameters")
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
    last.set_defaults(do=rendered)
    return line


PIECES = {
    "stage": (jobs.stage, "a result that chapters share: maps, images or models"),
    "patient": (jobs.map_patient, "the maps of one patient"),
    "model": (jobs.train_model, "one of the four models"),
    "trials": (jobs.run_trials, "one worker's share of the search of one model"),
}


def add_pieces(commands: argparse._SubParsersAction) -> None:
    """Add the jobs to the command line."""
    for name, (job, words) in PIECES.items():
        one = commands.add_parser(name, help=words)
        one.add_argument("piece")
        one.set_defaults(do=piece, job=job, more=lambda options: ())
    commands.choices["model"].add_argument("--seed", type=int, help="in place of the profile's own")
    commands.choices["model"].set_defaults(more=lambda options: [options.seed])
    commands.choices["trials"].add_argument("--worker", type=int, default=0, help="a number of its own")
    commands.choices["trials"].set_defaults(more=lambda options: [options.worker])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; what is wrong is told in one line."""
    options = parser().parse_args(arguments)
    try:
        return options.do(options) or 0
    except (FileNotFoundError, RuntimeError, TypeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
