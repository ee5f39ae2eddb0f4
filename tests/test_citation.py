"""What is said of the edition: one version and one date wherever they stand, and BibTeX that says the same."""

import json
import re
from datetime import date
from pathlib import Path

import citation
import yaml

import helpers

ROOT = Path(__file__).parents[1]
ZENODO = json.loads((ROOT / ".zenodo.json").read_text())
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_version_and_date_are_the_same_wherever_they_stand():
    version, day = re.search(r"^## (\d+\.\d+\.\d+), ([\d-]+)$", (ROOT / "CHANGELOG.md").read_text(), re.M).groups()
    assert helpers.__version__ == CITATION["version"] == ZENODO["version"] == version
    assert CITATION["date-released"] == ZENODO["publication_date"] == date.fromisoformat(day).isoformat()


def test_title_licence_people_and_keywords_are_told_once():
    assert (CITATION["title"], CITATION["license"], CITATION["keywords"]) == (
        *(ZENODO["title"], ZENODO["license"], ZENODO["keywords"]),
    )
    assert [one["name"] for one in CITATION["authors"]] == [one["name"] for one in ZENODO["creators"]]
    assert CITATION["abstract"] in ZENODO["description"]
    assert [one["doi"] for one in CITATION["references"]] == [
        one["identifier"] for one in ZENODO["related_identifiers"]
    ]


def test_citation_has_what_the_format_demands():
    """Citation File Format 1.2.0: required keys, and the types that it knows."""
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(CITATION)
    assert CITATION["type"] in {"software", "dataset"}


def test_bibtex_can_be_read_and_names_the_study_as_the_bibliography_does():
    """Read by pybtex, which sphinxcontrib-bibtex reads references.bib with."""
    from pybtex.database import parse_file, parse_string

    found = parse_string(citation.bibtex("https://code.example/echo"), "bibtex").entries
    book, study = found["echo_to_outcome"], found["taleghamar2022"]
    known = parse_file(str(ROOT / "book" / "references.bib")).entries["taleghamar2022"]
    assert book.fields["version"] == helpers.__version__
    assert book.fields["url"] == "https://code.example/echo"
    assert [str(one) for one in book.persons["author"]] == [
        "{the From Echo to Outcome contributors}"
    ]  # one name, whole
    assert study.fields["doi"] == known.fields["doi"]
    assert [p.last_names for p in study.persons["author"]] == [p.last_names for p in known.persons["author"]]
    assert "url" not in parse_string(citation.bibtex(), "bibtex").entries["echo_to_outcome"].fields
