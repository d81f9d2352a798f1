"""What a person got wrong, told in one line that says what to mend."""


class UserError(ValueError):
    """Its text is one line for a person; the command line prints it alone and ends with status 2."""
