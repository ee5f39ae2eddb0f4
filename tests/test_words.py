"""Words that follow the run: the same sources under a simulated and under a recorded cohort."""

import nbformat
import pytest
import words

SIMULATED = {"whose": "simulated", "Whose": "Simulated", "n_patients": "181"}
RECORDED = {"whose": "recorded", "Whose": "Recorded", "n_patients": "24"}


def test_words_take_their_places():
    assert words.filled("{{Whose}}: {{ n_patients }} patients.", RECORDED) == "Recorded: 24 patients."


def test_a_word_that_no_run_has_is_named():
    with pytest.raises(ValueError, match="n_pateints.*n_patients"):
        words.filled("{{ n_pateints }}", RECORDED)


def test_a_page_keeps_the_blocks_that_are_true():
    told, known = "Nobody's data.\n<!-- end -->\n", "{{ n_patients }}.\n<!-- end -->\n"
    text = f"All\n<!-- if-simulated -->\n{told}<!-- if-recorded -->\n{known}end\n"
    assert words.page(text, SIMULATED) == "All\nNobody's data.\nend\n"
    assert words.page(text, RECORDED) == "All\n24.\nend\n"


def test_a_chapter_keeps_the_cells_that_are_true_and_its_code():
    def cells():
        caption = {"figure": {"caption": "{{ Whose }} patients.", "name": "fig-x"}}
        return [
            nbformat.v4.new_markdown_cell("drawn", metadata={"tags": ["if-simulated"]}),
            nbformat.v4.new_code_cell("f'{{x}}'", metadata={"mystnb": caption}),
        ]

    one, other = (words.chapter(nbformat.v4.new_notebook(cells=cells()), told) for told in (SIMULATED, RECORDED))
    assert [cell.source for cell in one.cells] == ["drawn", "f'{{x}}'"]
    assert [cell.source for cell in other.cells] == ["f'{{x}}'"]
    assert other.cells[0].metadata.mystnb.figure.caption == "Recorded patients."
