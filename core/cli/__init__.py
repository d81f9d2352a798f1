"""The command line: `python -m core …`. Results as tables, or with --json as data; exit status 2 and one line for a user's error."""
