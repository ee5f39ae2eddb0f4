"""A bibliography whose labels are the citations' own, author and year, and which leads back to who cites what."""

from collections.abc import Iterator

from docutils import nodes
from pybtex.backends.plaintext import Backend as PlainText
from pybtex.database import Entry, Person
from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.domain import get_docnames


class AuthorYearLabels(BaseLabelStyle):
    """Labels as sphinxcontrib-bibtex cites: ``Yao et al., 1990``, ``Insana and Hall, 1990``, ``Faran, 1951``."""

    def format_labels(self, sorted_entries: list[Entry]) -> Iterator[str]:
        return (f"{names(entry.persons['author'])}, {entry.fields['year']}" for entry in sorted_entries)


class AuthorYear(Plain):
    """Entries by author and year, as ``plain`` has them, their digital object identifiers as links."""

    default_label_style = AuthorYearLabels


def names(authors: list[Person]) -> str:
    """Return one or two last names, or the first and "et al."."""
    last = [str(Text(" ").join([*author.rich_prelast_names, *author.rich_last_names])) for author in authors]
    return " and ".join(last) if len(last) < 3 else f"{last[0]} et al."


def lead_back(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Add to each entry of the bibliography the pages that cite it, in the order of the book."""
    domain = app.env.get_domain("cite")
    keys = {citation.citation_id: citation.key for citation in domain.citations}  # type: ignore[attr-defined]
    for entry in doctree.findall(nodes.citation):
        first = cited_at(app, keys[entry["ids"][0]])
        uris = {page: f"{app.builder.get_relative_uri(docname, page)}#{place}" for page, place in first.items()}
        line = nodes.paragraph("", "Cited in ", classes=["cited-in"])
        for number, (page, uri) in enumerate(uris.items()):
            line += nodes.Text(", " if number else "")
            line += nodes.reference("", app.env.titles[page].astext(), refuri=uri, internal=True)
        entry += line


def cited_at(app: Sphinx, key: str) -> dict[str, str]:
    """Return page -> anchor of the first citation of an entry there, in the order of the book."""
    domain = app.env.get_domain("cite")
    found: dict[str, str] = {}
    for ref in domain.citation_refs:  # type: ignore[attr-defined]
        if key in {target.key for target in ref.targets}:
            found.setdefault(ref.docname, ref.citation_ref_id)
    return {page: found[page] for page in get_docnames(app.env) if page in found}


def setup(app: Sphinx) -> dict[str, bool]:
    register_plugin("pybtex.style.formatting", "author_year", AuthorYear)
    register_plugin("pybtex.backends", "plaintext", PlainText, force=True)  # else looked for anew at every citation
    app.connect("doctree-resolved", lead_back)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
