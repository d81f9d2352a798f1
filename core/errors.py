"""The base class of errors that the user can correct."""


class UserError(ValueError):
    """An error that the user can correct. Its text is one line that says how.

    The command line prints only this line and ends with status 2; a page shows it in place of its content.
    """
