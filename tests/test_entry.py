"""Every command line of the project: what is wrong with it is one line on stderr, exit 2, whatever a reader has set."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import command
import pytest

ROOT = Path(__file__).parents[1]
WRONG = {  # command: words that are wrong, what is told
    "book/command.py": ("resolve --profile smoke --set level=95", "SET: level = 95.0: expected 0.999 or less"),
    "-m trust.runs": ("--profile smoke --set overlap=1.5", "SET: overlap = 1.5: expected 0.99 or less"),
    "-m trust.experiment": ("--profile labtop", "profile 'labtop': .* did you mean 'laptop'"),
    "benchmarks/maps.py": ("--json src", "src: cannot be written"),
    "benchmarks/simulation.py": ("--jsno x", "unrecognized arguments: --jsno"),
    "benchmarks/networks.py": ("--px 33", "image_px = 33: expected"),
    "benchmarks/pda.py": ("--json book/command.py/x", "cannot be written"),
    "benchmarks/memory.py": ("--jsno x", "unrecognized arguments: --jsno"),
}
SLOW = ("-m trust.experiment", "benchmarks/simulation.py", "benchmarks/networks.py", "benchmarks/pda.py")


def run(command, words, **variables):
    """What a command line answers in another environment."""
    line = [sys.executable, "-W", "ignore", *command.split(), *words.split()]
    return subprocess.run(line, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True)


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """A folder of a reader's own with a module called as this package is."""
    folder = tmp_path_factory.mktemp("strange")
    (folder / "helpers.py").write_text("raise RuntimeError('the wrong helpers')\n")
    return folder


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in WRONG]
)
def test_what_is_wrong_is_one_line_though_a_stranger_has_our_name(command, strange):
    """The stranger stands before everything that is installed, this project as it is after that."""
    words, told = WRONG[command]
    answer = run(command, words, PYTHONPATH=f"{strange}{os.pathsep}{ROOT / 'src'}")
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("error: ")
    assert re.search(told, answer.stderr)


def test_a_command_line_that_is_none_is_one_line():
    answer = run("book/command.py", "book --cores=two")
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)


# --- what make is given reaches the program as it stands

GIVEN = [
    "x=$(touch {folder}/made)",
    "x=`touch {folder}/made`",
    "x=$(shell touch {folder}/made)",
    "x=$$(touch {folder}/made)",
    "x=;touch {folder}/made",
    "x='quoted \"words\"' $HOME",
    "$(error no)",
]
ECHO = "#!{python}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


@pytest.fixture
def programs(tmp_path):
    """An environment, in a folder with a space, whose python prints what it is given."""
    python = tmp_path / "my vénv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(ECHO.format(python=sys.executable))
    python.chmod(0o755)
    return tmp_path / "my vénv"


@pytest.mark.parametrize("how", ["on the command line", "in the environment"])
@pytest.mark.parametrize("text", GIVEN)
def test_neither_make_nor_the_shell_runs_what_it_is_given(programs, tmp_path, text, how):
    text = text.format(folder=tmp_path)
    given = {name: text for name in ("SET", "PROFILE", "CORES")} | {"VENV": str(programs)}
    if how == "in the environment":
        answer = subprocess.run(
            ["make", "-s", "book"], cwd=ROOT, env=os.environ | given, capture_output=True, text=True
        )
    else:
        words = [f"{name}={value}" for name, value in given.items()]
        answer = subprocess.run(["make", "-s", "book", *words], cwd=ROOT, capture_output=True, text=True)
    words = json.loads(answer.stdout)
    assert {f"--set={text}", f"--profile={text}", f"--cores={text}"} <= set(words)
    assert not (tmp_path / "made").exists()


def test_every_recipe_quotes_the_python_it_calls():
    recipes = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")]
    assert not [line for line in recipes if re.search(r'(?<!")\$\((PY|VENV|PYTHON|BIN)\)', line)]


# --- a checkout, an environment, a profile and artifacts with spaces, quotes and letters of any language


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A copy of what is tracked in such a folder, with the environment of these tests linked into another."""
    folder = tmp_path_factory.mktemp("odd") / 'My Böok\'s "copy" $HOME (1)'
    for name in ("src", "book", "notebooks", "data", "results"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    for name in ("Makefile", "Snakefile", "_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "my venv").mkdir()
    (folder / "my venv" / "v").symlink_to(sys.prefix)
    profile = (folder / "notebooks/profiles/smoke.yml").read_text()
    (folder / "notebooks/profiles/my pröfile's.yml").write_text(profile)
    return folder


def in_odd(odd, *command, **variables):
    """Run a command there; nothing of this checkout is on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    return subprocess.run(command, cwd=odd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def at_work(odd):
    """The folder of a run there, and the words that let Snakemake work on it."""
    python = "my venv/v/bin/python"
    words = ["--profile", "my pröfile's", "--artifacts", 'ärt: "e" #1', "--set", "artifacts='ärt: \"e\" #1'"]
    resolved = in_odd(odd, python, "book/command.py", "resolve", *words)
    assert resolved.returncode == 0, resolved.stderr
    run_ = resolved.stdout.strip()
    return run_, [python, "-m", "snakemake", "--nolock", "--cores", "1", "--config", f"run={quote(run_)}"]


def test_the_whole_book_is_planned_wherever_it_lies(odd, at_work):
    planned = in_odd(odd, *at_work[1], "--dry-run")
    assert re.search(r"chapter +18\n", planned.stdout + planned.stderr), planned.stderr


@pytest.mark.slow
def test_a_chapter_is_made_wherever_it_lies(odd, at_work):
    """By a command that a shell has read."""
    run_, snakemake = at_work
    made = in_odd(odd, *snakemake, "--quiet", "all", "--", f"{run_}/chapters/15_audit.ipynb")
    assert made.returncode == 0, made.stderr
    assert (odd / run_ / "chapters" / "15_audit.ipynb").exists()


AUDIT = "notebooks/15_audit.py"
EDITS = [  # a file, what is added to it, and whether the chapter on the audit is made again for it
    (AUDIT, "\n# %%\nfurther = 1\n", True),
    (AUDIT, "\n# %% [markdown]\n# One more word.\n", False),
    ("src/trust/audit.py", "\nFURTHER = 1\n", True),
    ("src/pages/printed.csv", "\n", True),
    ("src/trust/pitfalls.py", "\nFURTHER = 1\n", False),  # another chapter's
    ("src/trust/audit.py", "", False),  # newer, and the same
]


def test_a_chapter_is_made_again_for_what_it_reads_and_for_no_clock(odd, at_work):
    """Code and tables by what they hold; an edit of its prose only has its page rendered."""
    run_, snakemake = at_work
    words = [*snakemake, *command.TRIGGERS, "--", f"{run_}/chapters/15_audit.ipynb"]
    assert in_odd(odd, *words).returncode == 0
    again = []
    for name, added, _ in EDITS:
        good = (odd / name).read_text()
        (odd / name).write_text(good + added)
        planned = in_odd(odd, *words[:-2], "--dry-run", *words[-2:])
        assert planned.returncode == 0, planned.stderr
        again.append("rule chapter" in planned.stdout + planned.stderr)
        (odd / name).write_text(good)
    assert again == [expected for *_, expected in EDITS]


def test_make_finds_its_environment_there(odd):
    answer = in_odd(odd, "make", "-s", "book", "VENV=my venv/v", "PROFILE=my pröfile's", "SET=level=95")
    assert answer.stderr.splitlines()[0] == "error: SET: level = 95.0: expected 0.999 or less"
    assert answer.returncode == 2


@pytest.mark.slow
def test_ctrl_c_ends_a_build_with_all_that_it_started(odd):
    """As a terminal sends it: to make and to all that make has started, but for what lives in a group of its own."""
    command = ["make", "-s", "book", "VENV=my venv/v", "PROFILE=smoke", "SET=artifacts=stopped"]
    build = subprocess.Popen(command, cwd=odd, start_new_session=True, stderr=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(odd.glob("stopped/maps/P*.h5")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(build.pid, signal.SIGINT)
    said = [line for line in build.communicate(timeout=30)[1].splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert re.fullmatch("error: stopped, .* run the same command again: .*", said[0])
    assert not list(odd.rglob(".*~*"))
    assert not [line for path in Path("/proc").glob("[0-9]*/cmdline") if str(odd) in (line := read(path))]


def read(path):
    try:
        return path.read_text()
    except OSError:
        return ""
