"""The store: the runs of a database, their metrics and checkpoints, and the files with their weights."""

from core.store.checkpoints import Checkpoints
from core.store.database import Database
from core.store.imports import Imports
from core.store.lifecycle import Lifecycle
from core.store.metrics import Metrics
from core.store.queue import TrainingQueue
from core.store.runs import Runs
from core.store.weights import Weights


class Store:
    """The persistent state of the project. Safe to use from several threads and processes at once.

    `runs`: create, find, rename, delete. `lifecycle`: claim, heartbeat, stop, finish. `metrics`: the curves. `checkpoints`: the weights.
    `queue`: trainings that wait for their turn. `imports`: runs that arrive trained. Runs and checkpoints are returned detached: changing
    one changes nothing in the database.
    """

    def __init__(self, url: str | None = None) -> None:
        """Open the database; create or upgrade it if needed. Without `url`: GATESCOPE_DB, else runs.db in the project's folder.

        Raises StoreError if the database cannot be opened or was made by a newer version.
        """
        self.database = Database(url)
        self.weights = Weights(self.database.location)
        self.runs = Runs(self.database, self.weights)
        self.metrics = Metrics(self.database)
        self.checkpoints = Checkpoints(self.database, self.weights)
        self.lifecycle = Lifecycle(self.database, self.weights, self.checkpoints)
        self.queue = TrainingQueue(self.database)
        self.imports = Imports(self.database, self.weights, self.checkpoints)

    @property
    def url(self) -> str:
        """Return the address with which another process opens the same store. It holds the password, if there is one."""
        return self.database.url

    def close(self) -> None:
        """Close the connections; the store opens new ones if it is used again."""
        self.database.close()
