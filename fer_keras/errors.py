"""The one error for bad input: what a person can mend, said in one line."""


class InputError(ValueError):
    """Input that cannot be used, named so that a person can mend it.

    The message names the file, row or field, says what was found and what was expected. The command line prints it
    as one line and exits with status 1; it never shows a traceback for it.
    """
