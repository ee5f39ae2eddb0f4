"""How the book and the study are cited: BibTeX from ``CITATION.cff``, the one place that says who, what and when."""

from collections.abc import Mapping
from typing import Any

import yaml

from ground.artifacts import project_path

KEYS = {"software": "echo_to_outcome", "article": "taleghamar2022"}  # the study's as in book/references.bib


def cited() -> dict[str, Any]:
    """Return what ``CITATION.cff`` says, by the names of the Citation File Format 1.2."""
    return yaml.safe_load(project_path("CITATION.cff").read_text())


def bibtex(repository: str = "") -> str:
    """Return the BibTeX entries of the book, with its repository if one is given, and of the works it refers to."""
    told = cited()
    book = told | {"year": str(told["date-released"])[:4], "url": repository or told.get("repository-code")}
    return "\n\n".join(map(entry, [book, *told["references"]])) + "\n"


def entry(told: Mapping[str, Any]) -> str:
    """Return the BibTeX entry of one work; braces keep its title and the names of groups as they are written."""
    values = {name: told.get(name) for name in ("journal", "volume", "version", "year", "doi", "url")}
    fields = {"author": authors(told["authors"]), "title": f"{{{told['title']}}}", "pages": told.get("start"), **values}
    lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items() if value]
    return f"@{told['type']}{{{KEYS[told['type']]},\n{''.join(lines)}}}"


def authors(people: list[Mapping[str, str]]) -> str:
    """Return names of persons, "Family, Given", and of groups as BibTeX joins them."""
    return " and ".join(
        f"{one['family-names']}, {one['given-names']}" if "family-names" in one else f"{{{one['name']}}}"
        for one in people
    )
