"""One class for everything that a user gave and that is not as expected, and one for processes ended from outside."""


class OneLine(Exception):
    """An error that is told in one line, in a notebook too, where it stands in place of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class InputError(OneLine, ValueError):
    """Something from outside cannot be used: one line that says where it stands, what it is, and what is expected."""


class Ended(OneLine, RuntimeError):
    """A process that this one waits for was ended from outside; the line says what can be done."""


KEPT = "then run the same command again: what is finished is kept"
MEMORY = f'most often because memory ran out; work on less at a time (SET="processes=1"), {KEPT}'
