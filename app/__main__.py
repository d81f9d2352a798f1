"""Serve the studio: `python -m app`, followed by Streamlit's options. What the first page needs is loaded while the browser opens."""

import os
import sys
import threading
from pathlib import Path

from streamlit.web import cli

MAIN = Path(__file__).resolve().with_name("main.py")


def _load() -> None:
    """Import what takes seconds the first time, so that the first page does not wait for it."""
    from core.fast.warmup import prepare

    prepare()


def main() -> None:
    """Start Streamlit with the app."""
    sys.path.insert(0, str(MAIN.parents[1]))
    from app.serving import options
    from core.errors import UserError
    from core.malloc import share_memory_among_threads
    from core.store.queue import places
    from core.trackers import TRACKER, check_tracker

    try:
        places()
        check_tracker(os.environ.get(TRACKER))
    except UserError as error:
        print("error:", error, file=sys.stderr)
        sys.exit(2)
    share_memory_among_threads()
    threading.Thread(target=_load, daemon=True).start()
    sys.argv = ["streamlit", "run", str(MAIN), *options(sys.argv[1:])]
    cli.main()


if __name__ == "__main__":
    main()
