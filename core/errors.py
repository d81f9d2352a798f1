"""What a person can mend, reported in one line."""


class UserError(ValueError):
    """An error that a person can mend. Its text is one line that says how.

    The command line prints that line alone and ends with status 2; a page shows it in place of its content.
    """
