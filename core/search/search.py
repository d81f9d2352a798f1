"""A search: trials are runs of the store, trained by the workers of a sweep, and stopped early where others are better."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from core.config import RunConfig, run_config
from core.errors import UserError
from core.evaluation.trials import PRUNED, TRIAL, pruned, reached
from core.registry import ConfigError
from core.search.pruning import Objectives, at_rung, is_worse, rungs
from core.search.sampler import Tried, suggest
from core.search.space import Dimension, applied, values_in
from core.store import Run, Store, StoreError
from core.training.assembly import check_initial_weights
from core.training.preview import outline
from core.training.sweep import sweep

ATTEMPTS = 50  # suggestions in a row that are refused or known already, after which a search ends


def _differing(known: Mapping[str, Any], given: Mapping[str, Any], space: Sequence[Dimension]) -> str:
    """Return the first setting in which two configurations differ that is not varied, as part.option or λ; empty if there is none."""
    varied = {dimension.name.partition("[")[0] for dimension in space}
    if known["lam"] != given["lam"]:
        return "λ"
    for part in ("architecture", "dataset", "method", "training"):
        for option in ("name", *sorted(known[part].keys() | given[part].keys())):
            if f"{part}.{option}" not in varied and known[part].get(option) != given[part].get(option):
                return part if option == "name" else f"{part}.{option}"
    return ""


class TrialSearch:
    """The trials of one name. The same search made again goes on where it was left.

    `config`: what all trials share. `trials`: how many there are to be, with those that are there already. `prunes`: whether trials are
    stopped early. Raises ConfigError if the name is that of a sweep, or of a search with other settings.
    """

    def __init__(self, store: Store, config: RunConfig, space: Sequence[Dimension], name: str, trials: int, *, prunes: bool = True) -> None:
        self.name = name
        self.refusal = ""  # why the last suggestion was refused
        self._store, self._config, self._space, self._trials, self._prunes = store, config, space, trials, prunes
        self._static: dict[int, int] = {}  # multiply-adds of the static network of each trial
        self._compared: set[tuple[int, int]] = set()  # trials and epochs at which they were compared with the others
        if not self.runs() and store.runs.of_sweeps([name]):
            raise ConfigError(f"{name} is a sweep and not a search: choose another name with --name")
        for run in self.runs()[:1]:
            if differing := _differing(run_config(**run.config).record().config, config.record().config, space):
                raise ConfigError(f"{name} is a search with another {differing}: choose another name with --name, or the same settings")

    def runs(self) -> list[Run]:
        """Return the trials, in their order."""
        found = [run for run in self._store.runs.of_sweeps([self.name]) if TRIAL in run.tags]
        return sorted(found, key=lambda run: run.id)

    def run(self, jobs: int, log: str | None = None) -> Generator[list[Run]]:
        """Train `jobs` trials at a time until there are enough, and yield all trials about every second."""
        unfinished = [run for run in self.runs() if run.status != "finished" and not pruned(run)]
        with closing(sweep(self._store, unfinished, jobs, log, more=self._next)) as training:
            for _ in training:
                runs = self.runs()
                if self._prunes:
                    self._stop_worse(runs)
                yield runs

    def _next(self) -> Run | None:
        """Add the next trial; None if there are enough, or if every suggestion is refused or known already."""
        runs = self.runs()
        if len(runs) >= self._trials:
            return None
        known = [run.config for run in runs]
        tried = [Tried(values, self._reached(run)) for run in runs if (values := values_in(run.config, self._space)) is not None]
        for attempt in range(ATTEMPTS):
            seed = self._config.training.seed + ATTEMPTS * len(runs) + attempt
            try:
                config = run_config(**applied(self._config, suggest(self._space, tried, seed)))
                record = config.record()
                if record.config in known:
                    self.refusal = "all values of these options have been tried"
                    continue
                check_initial_weights(config)
                outline(config)
            except UserError as error:
                self.refusal = str(error)
                continue
            named = self._store.runs.of_sweeps([self.name])  # also trials whose tag a person took away
            number = 1 + max((int(end) for run in named if (end := run.name.rpartition(" ")[2]).isdecimal()), default=0)
            return self._store.runs.create(record, name=f"{self.name}/trial {number}", sweep=self.name, tags=[TRIAL])
        return None

    def _reached(self, run: Run) -> Objectives | None:
        """Return what a trial reached: a finished one in the end, a pruned one where it was compared last, any other nothing yet."""
        if not pruned(run):
            return reached(run)
        history = self._store.metrics.history(run.id)
        along = (at_rung(history, epoch, self._static_macs(run)) for epoch in reversed(rungs(run.epochs)))
        return next((point for point in along if point is not None), None)

    def _stop_worse(self, runs: Sequence[Run]) -> None:
        """Compare each running trial with the others once it has come to a rung, and ask it to stop if it is worse."""
        for run in runs:
            rung = max((epoch for epoch in rungs(run.epochs) if epoch <= run.epoch), default=None)
            if rung is None or run.state != "running" or PRUNED in run.tags or (run.id, rung) in self._compared:
                continue
            own, *others = (self._at(other, rung) for other in (run, *(other for other in runs if other.id != run.id)))
            if own is None:
                continue
            self._compared.add((run.id, rung))
            if is_worse(own, [point for point in others if point is not None]):
                self._store.runs.annotate(run.id, tags=[*run.tags, PRUNED])
                with suppress(StoreError):  # it has just finished
                    self._store.lifecycle.request_stop(run.id)

    def _at(self, run: Run, epoch: int) -> Objectives | None:
        return at_rung(self._store.metrics.history(run.id), epoch, self._static_macs(run))

    def _static_macs(self, run: Run) -> int:
        """Return the multiply-adds of the static network of a trial."""
        if run.id not in self._static:
            self._static[run.id] = outline(run_config(**run.config)).static
        return self._static[run.id]
