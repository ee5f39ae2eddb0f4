"""The first call of a chapter, against papermill's own Python interface and its own cells."""

from pathlib import Path

import chapters
import forked
import jupytext
import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError
from papermill.translators import PythonTranslator

from entry import chapter
from ground.errors import InputError
from helpers.settings import load_settings

ROOT = Path(__file__).parents[1]
EACH = sorted((ROOT / "notebooks").glob(chapters.CHAPTERS))
DECLARED = 'profile: str = "laptop"  # a name\nimage_px: int = 64  # pixels\nband_mhz: list = [3.0, 8.0]  # of the fits'


def given(**values):
    """What a chapter is given by papermill, once its parameters and the cell that papermill adds have run."""
    cells = ["", DECLARED, PythonTranslator.codify(values)]
    names = {}
    for cell in cells:
        exec(cell, names)
    return chapter.given_to(cells, names)


def test_what_papermill_gives_is_taken_by_name():
    assert given(image_px=96, profile="smoke") == {"image_px": 96, "profile": "smoke"}
    assert chapter.given_to(["", DECLARED, "use_book_style()"], {}) == {}


def test_a_list_may_come_as_text():
    """As ``-p band_mhz '[4, 7]'`` hands it on; what is no list is left to be refused by its type."""
    assert given(band_mhz="[4, 7.5]") == {"band_mhz": [4, 7.5]}
    assert given(band_mhz="4 to 7", profile="[4]") == {"band_mhz": "4 to 7", "profile": "[4]"}


def test_a_parameter_that_a_chapter_does_not_declare_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"^papermill: unknown parameter 'imge_px'; did you mean 'image_px'\?$"):
        given(imge_px=96)
    with pytest.raises(InputError, match=r"^papermill: unknown parameter 'n_patients'$"):
        given(n_patients=50)


@pytest.mark.parametrize("path", EACH, ids=lambda path: path.stem)
def test_every_chapter_begins_before_it_reads_its_profile(path):
    code = path.read_text()
    begun = [code.find(call) for call in ("\nuse_book_style()", "\nfigures.use_book_style()", "\nbegin()")]
    assert 0 < max(begun) < code.find("load_settings(profile") % len(code)


def test_papermill_ends_a_chapter_that_is_given_what_it_does_not_declare(tmp_path, monkeypatch):
    """The chapter without figures too, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    jupytext.write(jupytext.read(ROOT / "notebooks/17_reporting.py"), tmp_path / "in.ipynb")
    with chapters.environment.of_kernel(), forked.kernels(), pytest.raises(PapermillExecutionError) as failed:
        papermill.execute_notebook("in.ipynb", "out.ipynb", {"levle": 0.9}, progress_bar=False)
    line = "InputError: papermill: unknown parameter 'levle'; did you mean 'level'?"
    assert str(failed.value).rstrip().splitlines()[-1] == line
    executed = [cell for cell in nbformat.read("out.ipynb", 4).cells if cell.get("execution_count")]
    assert len(executed) == 3  # its parameters, what was given, and the first cell


def test_a_profile_and_tracked_results_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings(chapter.profile_from_here("smoke")).study.n_patients == 24
    assert chapter.profile_from_here("no such") == "no such"
    assert chapter.tracked("results/experiment.json") == ROOT / "results" / "experiment.json"
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "experiment.json").touch()
    assert chapter.tracked("results/experiment.json") == tmp_path / "results" / "experiment.json"
    assert chapter.tracked("results/new.json") == tmp_path / "results" / "new.json"
