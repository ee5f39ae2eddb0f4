"""Every command line of the project: what is wrong with it is one line on stderr, exit 2, whatever a reader has set."""

import os
import re
import subprocess
import sys
from pathlib import Path

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
