"""One class for everything that a user gave and that is not as expected."""


class InputError(ValueError):
    """Something from outside cannot be used: one line that says where it stands, what it is, and what is expected.

    In a notebook that line is shown in place of a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]
