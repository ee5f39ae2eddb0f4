"""One chapter, executed: on a tiny notebook in a tiny project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import chapters
import command as command_line
import nbformat
import numpy as np
import pytest
import yaml

from helpers.data.rf import RFPlane, write_rf
from helpers.errors import InputError
from helpers.settings import parse_changes

HEADER = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
profile: str = "laptop"  # profile of the study
image_px: int = 64  # edge of the image, pixels
sample_rf: str = ""  # a recording
reference_rf: str = ""  # one of its phantom
patient: str = ""  # patient shown
plane: int = 0  # plane shown
frame: int = 0  # frame shown

"""
ROOT = Path(__file__).parents[1]
PROFILES = Path(__file__).parents[1] / "notebooks" / "profiles"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one chapter that prints what it was given."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "profiles").symlink_to(PROFILES)
    write_chapter(tmp_path, "import sys\nprint(image_px, sys.executable)")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_chapter(project, code):
    (project / "notebooks" / "01_tiny.py").write_text(f"{HEADER}# %%\n{code}\n")


def run(project, **values):
    """Run the tiny chapter as the build does; return status and the notebook's path."""
    parameters, output = project / "values.yml", project / "out" / "01_tiny.ipynb"
    parameters.write_text(yaml.safe_dump(values))
    command = ["run", "notebooks/01_tiny.py", "--parameters", str(parameters), "--output", str(output)]
    return command_line.main(command), output


def record(path, n_frames=2):
    """Write a small recording."""
    samples = np.random.default_rng(0).integers(-99, 99, (64, 8)).astype(np.int16)
    write_rf(path, [RFPlane(samples, 40e6, 0.3)] * n_frames)


def printed(path):
    """All that a notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))


def test_chapter_is_executed_by_this_python_with_the_given_values(project):
    status, output = run(project, image_px=96)
    assert status == 0
    number, python = printed(output).split()
    assert number == "96"
    assert os.path.samefile(Path(python).parent, Path(sys.executable).parent)


def test_notebook_carries_its_provenance_and_no_path_of_this_machine(project):
    _, output = run(project, image_px=96)
    metadata = nbformat.read(output, as_version=4).metadata
    assert metadata.papermill.duration > 0
    assert metadata.papermill.input_path == "notebooks/01_tiny.py"
    assert set(metadata.run) == {"code", "commit", "device", "processor", "python", "time"}
    assert str(project) not in str(metadata)


def test_undeclared_parameter_is_refused_before_anything_runs(project, capsys):
    status, output = run(project, imagepx=96)
    assert status == 2
    assert "01_tiny.py: unknown parameter 'imagepx'; did you mean 'image_px'?" in capsys.readouterr().err
    assert not output.exists()


def test_failing_chapter_keeps_the_last_good_notebook(project, capsys):
    _, output = run(project)
    good = output.read_bytes()
    write_chapter(project, "raise RuntimeError('no echo')")
    status, _ = run(project)
    assert status == 1
    assert "RuntimeError: no echo" in capsys.readouterr().err
    assert output.read_bytes() == good
    assert sorted(path.name for path in output.parent.iterdir()) == ["01_tiny.failed.ipynb", "01_tiny.ipynb"]


def test_mended_chapter_takes_the_failed_one_away(project):
    write_chapter(project, "raise RuntimeError('no echo')")
    run(project)
    write_chapter(project, "print('echo')")
    status, output = run(project)
    assert status == 0
    assert os.listdir(output.parent) == ["01_tiny.ipynb"]


def test_failing_chapter_ends_the_process_with_its_error(project):
    """Against the shell: what make and Snakemake see is the exit status."""
    write_chapter(project, "1 / 0")
    (project / "values.yml").write_text("{}")
    command = "run notebooks/01_tiny.py --parameters values.yml --output out.ipynb"
    answer = subprocess.run(
        [sys.executable, str(ROOT / "book" / "command.py"), *command.split()], capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert "ZeroDivisionError" in answer.stderr


def test_resolve_writes_all_settings_and_what_each_chapter_declares(project):
    folder = chapters.resolve("smoke", "image_px=96 seed=3")
    assert folder.parent == Path("artifacts/runs")
    settings = yaml.safe_load((folder / "settings.yml").read_text())
    assert (settings["image_px"], settings["seed"], settings["n_patients"]) == (96, 3, 24)
    values = yaml.safe_load((folder / "parameters" / "01_tiny.yml").read_text())
    assert values == {"profile": f"{folder}/settings.yml", "image_px": 96}
    shared = yaml.safe_load((folder / "parameters" / "stages.yml").read_text())
    assert shared == {"profile": f"{folder}/settings.yml", "artifacts": "artifacts"}


def test_resolve_touches_nothing_that_stays_the_same(project):
    path = chapters.resolve("smoke", "seed=3") / "settings.yml"
    before = path.stat().st_mtime_ns
    assert chapters.resolve("smoke", "seed=3") / "settings.yml" == path
    assert path.stat().st_mtime_ns == before


def test_runs_that_differ_in_anything_have_folders_of_their_own(project):
    record("mine.rf")
    record("phantom.rf")
    texts = ["", "seed=4", "sample_rf=mine.rf reference_rf=phantom.rf"]
    assert len({chapters.resolve("smoke", text) for text in texts}) == len(texts)


def test_parameter_of_one_chapter_alone_may_be_set(project):
    record("mine.rf")
    record("phantom.rf")
    run = chapters.resolve("smoke", "sample_rf=mine.rf reference_rf=phantom.rf")
    assert yaml.safe_load((run / "parameters/01_tiny.yml").read_text())["sample_rf"] == "mine.rf"
    assert "sample_rf" not in yaml.safe_load((run / "settings.yml").read_text())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch=3", "SET: unknown parameter 'epoch'; did you mean 'epochs'?"),
        ("sample_fr=a.rf", "SET: unknown parameter 'sample_fr'; did you mean 'sample_rf'?"),
        ("profile=paper", "SET: unknown parameter 'profile'"),
        ("image_px=big", "SET: image_px = 'big' is str, expected int"),
        ("image_px", "SET: expected 'parameter=value', got 'image_px'"),
        ("sample_rf=gone.rf", "SET: sample_rf = 'gone.rf': there is no such file"),
    ],
)
def test_wrong_change_is_one_line_and_writes_nothing(project, capsys, text, message):
    assert command_line.main(["resolve", "--profile", "smoke", "--set", text]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not (project / "artifacts").exists()


@pytest.mark.parametrize(
    ("text", "value"), [("learning_rate=1e-4", 1e-4), ("resnet_layers=[3,4,23,3]", [3, 4, 23, 3]), ("depth_cm=4", 4.0)]
)
def test_values_are_read_in_their_type(text, value):
    assert list(parse_changes(text, {}).values()) == [value]


def test_own_values_keep_their_type():
    own = {"patient": str, "plane": int, "share": float}
    changes = parse_changes("patient='P 007' plane=2 share=1", own)
    assert changes == {"patient": "P 007", "plane": 2, "share": 1.0}
    with pytest.raises(InputError, match="plane = '2.5' is float, expected int"):
        parse_changes("plane=2.5", own)


def test_used_modules_follow_imports_through_one_another(tmp_path):
    chapter = tmp_path / "chapter.py"
    chapter.write_text("import numpy\nfrom helpers.maps import windows\nimport helpers.data.study\n")
    names = {path.stem for path in chapters.used_modules(chapter)}
    assert names >= {"windows", "form_factor", "rf", "study"}
    assert not names & {"simulation", "parametric", "training"}


# --- prose and code: an edit of prose shows at once, an edit of code executes again


def test_prose_and_captions_follow_the_source_without_being_executed(project):
    _, output = run(project, image_px=96)
    write_chapter(project, "import sys\nprint(image_px, sys.executable)\n# %% [markdown]\n# New words.")
    assert chapters.is_current(project / "notebooks" / "01_tiny.py", output)
    notebook = chapters.with_outputs(project / "notebooks" / "01_tiny.py", output)
    assert notebook.cells[-1].source == "New words."
    shown = [cell for cell in notebook.cells if cell.get("outputs")]
    assert shown[0].outputs[0].text.startswith("96 ")
    tags = [cell.metadata.get("tags") for cell in notebook.cells if cell.cell_type == "code"]
    assert tags == [["parameters"], ["injected-parameters", "hide-input"], None]


def test_a_damaged_notebook_is_executed_again(project):
    _, output = run(project)
    output.write_text(output.read_text()[:-100])
    assert not chapters.is_current(project / "notebooks" / "01_tiny.py", output)
    command_line.discard_stale_chapters(output.parent.parent)
    assert output.exists()  # another folder's
    (project / "a" / "chapters").mkdir(parents=True)
    output.rename(project / "a" / "chapters" / output.name)
    command_line.discard_stale_chapters(project / "a")
    assert not (project / "a" / "chapters" / output.name).exists()


def test_outputs_of_other_code_are_refused(project):
    _, output = run(project)
    write_chapter(project, "print('other')")
    assert not chapters.is_current(project / "notebooks" / "01_tiny.py", output)
    with pytest.raises(ValueError, match=r"01_tiny.ipynb: holds other code than .*01_tiny.py"):
        chapters.with_outputs(project / "notebooks" / "01_tiny.py", output)


# --- one build at a time


def test_a_second_build_is_told_so_before_it_looks_at_anything(project, capsys):
    with command_line.only_build():
        assert command_line.main(["book", "--profile", "no such profile"]) == 2
    told = capsys.readouterr().err
    assert re.fullmatch(
        rf"error: a build is running here already \(process {os.getpid()}, since .* UTC\); wait .*\n", told
    )
    assert command_line.main(["book", "--profile", "no such profile"]) == 2
    assert "no such profile" in capsys.readouterr().err


def test_the_lock_lives_as_long_as_what_was_started_under_it(project):
    with command_line.only_build() as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fileno()])
        command_line.note(lock, child.pid)
    with pytest.raises(InputError, match=f"running here already .process {child.pid}"), command_line.only_build():
        pass
    child.kill()
    child.wait()
    with command_line.only_build():
        pass


def test_a_build_is_current_until_a_source_a_parameter_or_a_page_is_another(project):
    (project / "Snakefile").touch()
    (project / "_config.yml").touch()
    run_ = chapters.resolve("smoke")
    state = command_line.state_of(run_)
    assert not command_line.is_built(run_, state)
    for path in ("_build/html/index.html", "_build/built", f"{run_}/chapters/01_tiny.ipynb"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(state)
    for door in ("maps", "images", "models"):
        assert not command_line.is_built(run_, state)
        (run_ / "stages").mkdir(exist_ok=True)
        (run_ / "stages" / f"{door}.json").touch()
    assert command_line.is_built(run_, state)
    write_chapter(project, "print('other')")
    assert command_line.state_of(run_) != state
    other = chapters.resolve("smoke", "seed=9")
    assert command_line.state_of(other).split()[0] != state.split()[0]
