"""Keys: what a result depends on, found by reading imports, and nothing else."""

import importlib
import sys

import pandas as pd
import pytest

from ground import keys
from ground.keys import closure, content_key, imported_by
from helpers.settings import load_settings


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four modules, one behind a face, one for a type checker alone."""
    (tmp_path / "toy").mkdir()
    sources = {
        "__init__.py": "",
        "__init__.pyi": "from .scale import double as double\n",
        "scale.py": '"""Scale."""\nFACTOR = 2\n\n\ndef double(x):\n    """Twice."""\n    return FACTOR * x  # twice\n',
        "shift.py": "from toy import double\nif TYPE_CHECKING:\n    import toy.other\n",
        "other.py": "def late():\n    from toy.shift import double\n",
    }
    for name, source in sources.items():
        (tmp_path / "toy" / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(keys, "PROJECT", ("toy",))
    clear()
    yield tmp_path / "toy"
    clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "toy"]:
        del sys.modules[name]


def clear():
    """Let this process see sources anew, as the next process would."""
    importlib.invalidate_caches()
    for cached in (keys.imports_of, keys.source_path, keys.code_digest):
        cached.cache_clear()


def change(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    clear()


def test_imports_are_followed_through_functions_and_faces_but_not_for_types(package):
    assert closure("toy.other") == {"toy.other", "toy.shift", "toy.scale"}
    assert closure("toy.shift") == {"toy.shift", "toy.scale"}
    assert imported_by("import numpy, toy.scale\nfrom os import path") == {"toy.scale"}


def test_a_constant_changes_the_keys_of_what_imports_it_and_no_other(package):
    before = {name: content_key(code=[f"toy.{name}"]) for name in ("scale", "shift", "other")}
    change(package / "scale.py", "2", "3")
    after = {name: content_key(code=[f"toy.{name}"]) for name in before}
    assert all(after[name] != before[name] for name in before)
    change(package / "other.py", "late", "later")
    assert content_key(code=["toy.shift"]) == after["shift"]
    assert content_key(code=["toy.other"]) != after["other"]


def test_comments_and_docstrings_change_no_key(package):
    before = content_key(code=["toy.scale"])
    change(package / "scale.py", "# twice", "# two times")
    change(package / "scale.py", "Twice.", "Two times.")
    assert content_key(code=["toy.scale"]) == before


def test_a_module_alone_counts_without_what_it_imports(package):
    before = content_key(alone=["toy.shift"])
    change(package / "scale.py", "2", "3")
    assert content_key(alone=["toy.shift"]) == before


def test_key_changes_with_a_parameter_but_not_with_the_order():
    key = content_key({"seed": 1, "image_px": 64})
    assert key == content_key({"image_px": 64, "seed": 1})
    assert key != content_key({"seed": 2, "image_px": 64})
    assert key != content_key({"seed": 1})


def test_sections_and_tables_count_by_what_they_hold():
    settings, table = load_settings("smoke"), pd.DataFrame({"responder": [True, False]}, index=["A", "B"])
    assert content_key(settings.maps) == content_key(load_settings("smoke").maps)
    assert content_key(settings.maps) != content_key(settings.replace(overlap=0.5).maps)
    assert content_key(settings.maps) == content_key(settings.replace(seed=9).maps)
    assert content_key(table) != content_key(~table)
    assert content_key(table) != content_key(table.rename(index={"A": "C"}))


def test_a_name_that_is_no_module_is_refused():
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        content_key(code=["helpers.nowhere"])
