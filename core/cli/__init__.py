"""The command line, `python -m core …`: one file per command, named after it.

Commands print results as tables, or as data with `--json`. An error that the user can correct ends with status 2 and one line.
"""
