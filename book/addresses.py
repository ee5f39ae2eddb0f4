"""Where the pages will stand and where their source does, if that is known: ``_config.yml``, or what a build is given.

Without them nothing on a page is absolute: no canonical link, no map of the site, no button of a repository.
"""

import os
import re
from dataclasses import dataclass
from typing import Any

import yaml

from ground.artifacts import project_path
from ground.errors import InputError

GIVEN = {"baseurl": "ECHO_BASEURL", "repository": "ECHO_REPOSITORY"}  # how a build hands them on to its jobs
ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w.~%+-]+)*/?", re.ASCII)


@dataclass(frozen=True)
class Addresses:
    """Of the pages, with a stroke at its end, and of the repository, without one; empty where not known."""

    baseurl: str = ""
    repository: str = ""


def give(baseurl: str, repository: str) -> None:
    """Hand addresses on to all that this process starts. Raises ``InputError`` for what is none."""
    for name, value in {"baseurl": baseurl, "repository": repository}.items():
        os.environ.pop(GIVEN[name], None)
        if value:
            os.environ[GIVEN[name]] = value
    addresses()


def addresses() -> Addresses:
    """Return what the build was given, else what ``_config.yml`` says. Raises ``InputError`` for what is no address."""
    told = written()
    kept = {"baseurl": told.get("html", {}), "repository": told.get("repository", {})}
    baseurl = os.environ.get(GIVEN["baseurl"]) or kept["baseurl"].get("baseurl") or ""
    repository = os.environ.get(GIVEN["repository"]) or kept["repository"].get("url") or ""
    baseurl, repository = checked("BASEURL", baseurl), checked("REPOSITORY", repository)
    return Addresses(baseurl and baseurl.rstrip("/") + "/", repository.rstrip("/"))


def checked(name: str, value: str) -> str:
    """Return an address; raise ``InputError`` for one that holds more than host and path, which may be a password."""
    if value and not ADDRESS.fullmatch(value):
        shown = value if "@" not in value else "an address with a name or a password in it"
        raise InputError(f"{name}: {shown!r}, expected host and path alone, as in https://name.example/book/")
    return value


def written() -> dict[str, Any]:
    """Return what ``_config.yml`` holds."""
    return yaml.safe_load(project_path("_config.yml").read_text()) or {}


def configured() -> dict[str, Any]:
    """Return the configuration of Jupyter Book with the addresses of this build, wherever it is written to."""
    config, found = written(), addresses()
    extensions = config["sphinx"]["local_extensions"]
    config["sphinx"]["local_extensions"] = {name: str(project_path(folder)) for name, folder in extensions.items()}
    config["html"]["baseurl"] = found.baseurl
    config["repository"]["url"] = found.repository
    theme = config["sphinx"]["config"]["html_theme_options"]
    theme |= {"repository_url": found.repository, "repository_branch": config["repository"]["branch"]}
    return config
