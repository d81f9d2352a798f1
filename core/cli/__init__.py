"""The command line, `python -m core …`: one file per command, named after it.

Commands print results as tables, or as data with `--json`. An error that a person can mend ends with status 2 and one line.
"""
