"""One chapter, executed: on a tiny notebook in a tiny project."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import chapters
import command as command_line
import forked
import jupytext
import nbformat
import numpy as np
import papermill
import pytest
import yaml
from papermill.exceptions import PapermillExecutionError

from entry.changes import parse_changes
from ground.artifacts import is_running
from ground.errors import InputError
from helpers import stages
from helpers.data.rf import RFPlane, write_rf
from helpers.settings import load_settings

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
    monkeypatch.chdir(found(tmp_path))
    return tmp_path


def found(folder):
    """Make a project of a folder."""
    (folder / "pyproject.toml").touch()
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "profiles").symlink_to(PROFILES)
    write_chapter(folder, "import sys\nprint(image_px, sys.executable)")
    return folder


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """That chapter as it was executed once, with 96 pixels."""
    folder = found(tmp_path_factory.mktemp("executed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(folder, nullcontext, image_px=96)[0] == 0
    return folder / "out" / "01_tiny.ipynb"


@pytest.fixture
def output(project, executed):
    """The executed chapter, in a project of its own."""
    (project / "out").mkdir()
    return shutil.copy(executed, project / "out" / "01_tiny.ipynb")


def write_chapter(project, code):
    (project / "notebooks" / "01_tiny.py").write_text(f"{HEADER}# %%\n{code}\n")


def run(project, kernels=forked.kernels, **values):
    """Run the tiny chapter as the build does, its kernel forked if nothing is said; return status and notebook."""
    parameters, output = project / "values.yml", project / "out" / "01_tiny.ipynb"
    parameters.write_text(yaml.safe_dump(values))
    command = ["run", "notebooks/01_tiny.py", "--parameters", str(parameters), "--output", str(output)]
    with kernels():
        return command_line.main(command), output


def record(path, n_frames=2):
    """Write a small recording."""
    samples = np.random.default_rng(0).integers(-99, 99, (64, 8)).astype(np.int16)
    write_rf(path, [RFPlane(samples, 40e6, 0.3)] * n_frames)


def printed(path):
    """All that a notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))


def test_chapter_is_executed_by_this_python_with_the_given_values(executed):
    number, python = printed(executed).split()
    assert number == "96"
    assert os.path.samefile(Path(python).parent, Path(sys.executable).parent)


def test_notebook_carries_its_provenance_and_no_path_of_this_machine(executed):
    metadata = nbformat.read(executed, as_version=4).metadata
    assert metadata.papermill.duration > 0
    assert metadata.papermill.input_path == "notebooks/01_tiny.py"
    assert set(metadata.run) == {"code", "commit", "device", "processor", "python", "time"}
    assert str(executed.parents[1]) not in str(metadata)


def test_undeclared_parameter_is_refused_before_anything_runs(project, capsys):
    status, output = run(project, imagepx=96)
    assert status == 2
    assert "01_tiny.py: unknown parameter 'imagepx'; did you mean 'image_px'?" in capsys.readouterr().err
    assert not output.exists()


def test_failing_chapter_keeps_the_last_good_notebook(project, output, capsys):
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


def test_every_recording_that_a_run_was_given_is_a_file_that_it_follows(project):
    """One phantom may have several, and a single one a semicolon in its name."""
    for name in ("mine.rf", "one.rf", "two.rf", "odd;name.rf"):
        record(name)
    several = chapters.resolve("smoke", "sample_rf=mine.rf reference_rf='one.rf; two.rf'")
    assert [path.name for path in chapters.own_files(several)] == ["mine.rf", "one.rf", "two.rf"]
    odd = chapters.resolve("smoke", "sample_rf=mine.rf reference_rf='odd;name.rf'")
    assert [path.name for path in chapters.own_files(odd)] == ["mine.rf", "odd;name.rf"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch=3", "SET: unknown parameter 'epoch'; did you mean 'epochs'?"),
        ("sample_fr=a.rf", "SET: unknown parameter 'sample_fr'; did you mean 'sample_rf'?"),
        ("profile=paper", "SET: unknown parameter 'profile'"),
        ("image_px=big", "SET: image_px = 'big' is str, expected int"),
        ("image_px", "SET: expected 'parameter=value', got 'image_px'"),
        ("sample_rf=gone.rf", "SET: sample_rf = 'gone.rf': there is no such file"),
        ("level=95", "SET: level = 95.0: expected 0.999 or less"),
        (
            "n_test=20",
            "SET: n_test = 20, n_validation = 5, n_patients = 24: expected that some patients are left to train on",
        ),
        (
            "cohort=/nowhere/mine",
            "SET: cohort = '/nowhere/mine': there is no such folder; '/' is there, 'nowhere' in it is not",
        ),
        ("cohort=notebook", "SET: cohort = 'notebook': there is no such folder; did you mean '{project}/notebooks'?"),
        ("cohort=~/mine", "SET: cohort = '~/mine': there is no such folder; '{project}' is there, 'mine' in it is not"),
        ("patient=P025", "SET: patient = 'P025': not one of the 24 patients, as 'P02.' is"),
        ("plane=9", "SET: plane = 9: expected 0 to 6, the planes there are"),
        ("plane=-3", "SET: plane = -3: expected -1 or more"),
    ],
)
def test_wrong_change_is_one_line_and_writes_nothing(project, capsys, monkeypatch, text, message):
    monkeypatch.setenv("HOME", str(project))
    assert command_line.main(["resolve", "--profile", "smoke", "--set", text]) == 2
    wanted = re.escape(message.replace("{project}", str(project))).replace("P02\\.", "P02.")
    assert re.fullmatch(f"error: {wanted}\n", capsys.readouterr().err)
    assert not (project / "artifacts").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sample_rf=mine.rf", "sample_rf is given and reference_rf is missing"),
        ("reference_rf=mine.rf", "reference_rf is given and sample_rf is missing"),
        ("sample_rf=mine.rf reference_rf=';'", "reference_rf = ';': there is no such file"),
        ("sample_rf=mine.rf reference_rf='mine.rf;none.rf'", "reference_rf = 'none.rf': there is no such file"),
        ("sample_rf=mine.rf reference_rf='mine.rf;pyproject.toml'", "pyproject.toml: format '.toml', expected one of"),
        ("sample_rf=mine.rf reference_rf=mine.rf frame=2", "frame = 2: .*mine.rf has 2, expected 0 to 1"),
        ("sample_rf=mine.rf reference_rf=pyproject.toml", "pyproject.toml: format '.toml', expected one of"),
    ],
)
def test_recordings_come_in_pairs_and_are_read_before_anything_runs(project, text, told):
    record("mine.rf")
    with pytest.raises(InputError, match=f"SET: .*{told}"):
        chapters.resolve("smoke", text)


def test_artifacts_in_a_folder_that_snakemake_cannot_name_are_refused(project):
    with pytest.raises(InputError, match="without braces"):
        chapters.resolve("smoke", "", "art{e}")


@pytest.fixture
def recorded(project):
    """A recorded cohort of 24 patients, as far as its tables go; their files are looked at elsewhere."""
    rows = [f"A{i:02d},{i % 4 > 0},{i % 5 + 1},{i % 3 > 0}" for i in range(24)]
    names = "patient,plane,rf_file,frame,line_pitch_mm,outline_file,reference_file,reference_line_pitch_mm"
    names += ",reference_sound_speed_m_s,reference_attenuation_db_cm_mhz,reference_backscatter_file"
    planes = [f"A{i:02d},{k},A{i:02d}_{k}.rf,0,0.2,o.csv,p.rf,0.2,1488,0.5," for i in range(24) for k in (0, 1)]
    (project / "mine").mkdir()
    (project / "mine/patients.csv").write_text("\n".join(["patient,responder,duration_years,recurrence", *rows]))
    (project / "mine/planes.csv").write_text("\n".join([names, *planes]))
    for name in ("e.rf", "o.csv", "p.rf"):
        (project / "mine" / name).touch()
    return project / "mine"


def test_a_recorded_cohort_has_its_own_number_of_patients(recorded):
    settings = load_settings(chapters.resolve("smoke", "cohort=mine") / "settings.yml")
    patients = stages.cohort(settings, "")
    assert settings.study.n_patients == len(patients) == 24
    sizes = patients["split"].value_counts()
    assert (settings.study.n_test, settings.study.n_validation) == (sizes["test"], sizes["validation"])


def test_sizes_asked_for_of_a_recorded_cohort_are_kept_or_refused(recorded):
    settings = load_settings(chapters.resolve("laptop", "cohort=mine n_test=6 n_validation=4") / "settings.yml")
    assert (settings.study.n_test, settings.study.n_validation) == (6, 4)
    with pytest.raises(ValueError, match="n_test|test set"):
        chapters.resolve("laptop", "cohort=mine n_test=23 n_validation=4")


def test_a_recorded_cohort_may_name_nobody_for_validation(recorded):
    table = (recorded / "patients.csv").read_text().splitlines()
    split = ["split", *["test", "train", "train"] * 8]  # nobody steers early stopping
    (recorded / "patients.csv").write_text("\n".join(f"{row},{part}" for row, part in zip(table, split, strict=True)))
    settings = load_settings(chapters.resolve("laptop", "cohort=mine") / "settings.yml")
    assert (settings.study.n_test, settings.study.n_validation) == (8, 0)
    with pytest.raises(InputError, match="n_validation = 4: expected 0 of the cohort's 24 patients"):
        chapters.resolve("laptop", "cohort=mine n_validation=4")


def test_a_patient_is_looked_for_in_the_cohort_given(recorded):
    with pytest.raises(InputError, match="patient = 'P001': not one of the 24 patients, as 'A"):
        chapters.resolve("laptop", "cohort=mine patient=P001 n_test=6 n_validation=4")


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


def test_what_a_chapter_reads_stands_in_its_source(tmp_path):
    chapter = tmp_path / "chapter.py"
    chapter.write_text("cohort = stages.cohort(s)\nsaid = stages.models(s, a)\nmaps = stages.maps(s, a)\nstages.images")
    assert chapters.stages_read(chapter) == ["maps", "models"]


# --- a chapter's parameters, by papermill or by a file


def test_a_value_beyond_its_range_ends_a_chapter_before_it_begins(project, capsys):
    status, output = run(project, image_px=33)
    assert status == 2
    assert re.fullmatch("error: notebooks/01_tiny.py: image_px = 33: expected .* 32\n", capsys.readouterr().err)
    assert not output.parent.exists() or not os.listdir(output.parent)


@pytest.mark.parametrize(
    ("code", "told", "status"),
    [
        ("from ground.errors import InputError\nraise InputError('a.rf: 3 bytes')", "a.rf: 3 bytes", 2),
        ("raise OSError(28, 'No space left on device', '/x/a.h5')", "/x/a.h5: no room is left to write it; .*", 2),
        ("raise PermissionError(13, 'Permission denied', '/x/a.h5')", "/x/a.h5: .* may not be changed .*", 2),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its process was ended .*processes=1.*", 1),
    ],
)
def test_what_ends_a_chapter_is_the_last_line(project, capsys, code, told, status):
    write_chapter(project, code)
    assert run(project)[0] == status
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert re.fullmatch(f"error: notebooks/01_tiny.py: {told}", said[-1])
    assert len(said) == 1


def test_an_input_error_stands_in_the_notebook_and_in_what_papermill_says(project):
    write_chapter(project, "from pages import figures\nfigures.use_book_style()")
    jupytext.write(jupytext.read(project / "notebooks/01_tiny.py"), project / "in.ipynb")
    with chapters.environment.of_kernel(), forked.kernels(), pytest.raises(PapermillExecutionError) as failed:
        papermill.execute_notebook(
            project / "in.ipynb", project / "out.ipynb", {"plane": -4}, kernel_name="python3", progress_bar=False
        )
    line = "InputError: parameters: plane = -4: expected -1 or more"
    assert str(failed.value).rstrip().splitlines()[-1] == line
    (error,) = [o for c in nbformat.read(project / "out.ipynb", 4).cells for o in c.get("outputs", [])
                if o.output_type == "error" and o.ename == "InputError"]  # fmt: skip
    assert error.traceback == [line]


def test_a_figure_without_a_picture_fails_the_build_by_its_name(project, capsys):
    write_chapter(project, FIGURE.replace("plt.plot", "print"))
    status, output = run(project)
    assert status == 2
    assert "01_tiny.py: no picture was drawn for fig-line; expected one" in capsys.readouterr().err
    assert not output.exists()


def test_a_password_is_not_in_the_notebook(project):
    chapter = project / "notebooks" / "01_tiny.py"
    declared = HEADER.replace("image_px: int = 64", 'search_storage: str = ""')
    chapter.write_text(f"{declared}# %%\nprint(len(search_storage))\n")
    status, output = run(project, search_storage="postgresql://anna:geheim@host/trials")
    assert status == 0
    assert printed(output) == "36\n"
    assert "geheim" not in output.read_text()
    assert "postgresql://..." in output.read_text()


# --- the book's own surroundings

FIGURE = """# %% mystnb={"figure": {"name": "fig-line", "caption": "A line."}}
import matplotlib.pyplot as plt
from pages import figures
figures.use_book_style()
plt.plot([0, 1])
"""
TOLD = """
import locale, os, sys, warnings, helpers
print(helpers.__file__, 0.5, 'ü', warnings.filters[0][0] != 'error', __debug__, sorted({'b', 'a'}))
"""


def pictures(path):
    outputs = [out for cell in nbformat.read(path, as_version=4).cells for out in cell.get("outputs", [])]
    return [out.data[kind] for out in outputs for kind in out.get("data", {}) if kind.startswith("image/")]


@pytest.fixture
def elsewhere(tmp_path_factory):
    """The configuration of a reader who uses Python for other things: folders of every program that has some."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "ipython/profile_default/startup").mkdir(parents=True)
    (folder / "ipython/profile_default/startup/00.py").write_text("raise SystemExit('a start-up file')")
    for name in ("ipython/profile_default/ipython_config.py", "jupyter_config.py", "ipython_kernel_config.py"):
        (folder / name).write_text("c.InlineBackend.figure_formats = ['svg']\nc.IPKernelApp.pylab = 'nonsense'\n")
    (folder / "matplotlibrc").write_text("lines.linewidth: 20\naxes.facecolor: red\nno_such_key: 1\n")
    (folder / "helpers.py").write_text("raise RuntimeError('the wrong helpers')")
    (folder / "start.py").write_text("print('a start-up file')")
    set_to = dict.fromkeys(("MATPLOTLIBRC", "MPLCONFIGDIR", "JUPYTER_CONFIG_DIR", "PYTHONPATH"), str(folder))
    set_to |= {"MPLBACKEND": "Agg", "IPYTHONDIR": str(folder / "ipython"), "PYTHONSTARTUP": str(folder / "start.py")}
    set_to |= {"LC_ALL": "de_DE.ISO-8859-1", "LANG": "C", "TZ": "Asia/Tokyo", "COLUMNS": "20", "PYTHONHASHSEED": "5"}
    return set_to | {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"}


def test_a_reader_s_own_configuration_changes_nothing(project, elsewhere):
    """Against the same chapter in bare surroundings: equal to the last line."""
    write_chapter(project, TOLD + FIGURE)
    run(project)
    output = project / "out" / "01_tiny.ipynb"
    plain, said = pictures(output), printed(output)
    output.unlink()
    (project / "matplotlibrc").write_text("lines.linewidth: 20\nno_such_key: 1\n")
    command = [sys.executable, ROOT / "book/command.py", "run", "notebooks/01_tiny.py", "--parameters", "values.yml"]
    answer = subprocess.run([*command, "--output", output], env=os.environ | elsewhere, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert [picture.startswith("<?xml") for picture in plain] == [True]  # an SVG, as lines are
    assert pictures(output) == plain
    assert printed(output) == said
    assert said.startswith(str(ROOT / "src" / "helpers"))


@pytest.mark.slow
def test_papermill_alone_draws_the_pictures_too(project, monkeypatch):
    write_chapter(project, FIGURE)
    jupytext.write(jupytext.read(project / "notebooks/01_tiny.py"), project / "in.ipynb")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix) / "share" / "jupyter"))
    papermill.execute_notebook(project / "in.ipynb", project / "out.ipynb", kernel_name="python3", progress_bar=False)
    assert len(pictures(project / "out.ipynb")) == 1


def test_ctrl_c_ends_a_chapter_its_kernel_and_leaves_nothing(project):
    write_chapter(project, "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)")
    (project / "values.yml").write_text("{}")
    command = "run notebooks/01_tiny.py --parameters values.yml --output out/01_tiny.ipynb"
    line = [sys.executable, ROOT / "book/command.py", *command.split()]
    started = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, preexec_fn=heed_signals)
    wait_for(lambda: (project / "pid").exists() and (project / "pid").read_text())
    started.send_signal(signal.SIGINT)
    said = started.communicate(timeout=20)[1]
    assert started.returncode == 130
    assert re.fullmatch("error: stopped, .* run the same command again: .*", said.splitlines()[-1])
    assert "Traceback" not in said
    assert os.listdir(project / "out") == []
    wait_for(lambda: not is_running(int((project / "pid").read_text())))


def heed_signals():
    """As a terminal starts a command; one that is started in the background does not hear Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- prose and code: an edit of prose shows at once, an edit of code executes again


def test_prose_and_captions_follow_the_source_without_being_executed(project, output):
    write_chapter(project, "import sys\nprint(image_px, sys.executable)\n# %% [markdown]\n# New words.")
    assert chapters.is_current(project / "notebooks" / "01_tiny.py", output)
    notebook = chapters.with_outputs(project / "notebooks" / "01_tiny.py", output)
    assert notebook.cells[-1].source == "New words."
    shown = [cell for cell in notebook.cells if cell.get("outputs")]
    assert shown[0].outputs[0].text.startswith("96 ")
    tags = [cell.metadata.get("tags") for cell in notebook.cells if cell.cell_type == "code"]
    assert tags == [["parameters"], ["injected-parameters", "hide-input"], None]


def test_a_damaged_notebook_is_executed_again(project, output):
    output.write_text(output.read_text()[:-100])
    assert not chapters.is_current(project / "notebooks" / "01_tiny.py", output)
    command_line.discard_stale_chapters(output.parent.parent)
    assert output.exists()  # another folder's
    (project / "a" / "chapters").mkdir(parents=True)
    output.rename(project / "a" / "chapters" / output.name)
    command_line.discard_stale_chapters(project / "a")
    assert not (project / "a" / "chapters" / output.name).exists()


def test_outputs_of_other_code_are_refused(project, output):
    write_chapter(project, "print('other')")
    assert not chapters.is_current(project / "notebooks" / "01_tiny.py", output)
    with pytest.raises(ValueError, match=r"01_tiny.ipynb: holds other code than .*01_tiny.py"):
        chapters.with_outputs(project / "notebooks" / "01_tiny.py", output)


# --- one build at a time


def test_a_build_that_was_killed_leaves_a_lock_that_holds_nothing(project):
    """The system gives back a lock when its holder is gone; what is written in it is not what holds."""
    code = "import command, time\nwith command.only_build():\n    print('held', flush=True); time.sleep(60)"
    own = os.environ | {"PYTHONPATH": str(Path(command_line.__file__).parent)}
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=own)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=rf"process {holder.pid}, since \d{{4}}-.* UTC"), command_line.only_build():
        pass
    holder.kill()
    holder.communicate()
    assert str(holder.pid) in (project / "_build/.lock").read_text()
    with command_line.only_build():
        pass


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


def test_a_page_is_rendered_anew_until_a_rendering_has_ended_well(project, monkeypatch):
    """Whatever its clock says: Snakemake gives a page that it could not replace a new time."""
    (project / "Snakefile").touch()
    (project / "_config.yml").touch()
    page, asked = Path("_build/html/index.html"), []
    page.parent.mkdir(parents=True)
    page.write_text("old")
    monkeypatch.setattr(command_line, "snakemake", lambda *_, **__: asked.append(page.stat().st_mtime) or 1)
    monkeypatch.setattr(command_line, "own_error", lambda run: "")
    for _ in range(2):
        page.touch()
        assert command_line.main(["book", "--profile", "smoke"]) == 1
    assert asked == [1, 1]  # 0 would be no time to Snakemake
    assert not Path("_build/built").exists()


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
