"""Whether a run is gated, and the current names of options in its configuration and of its metrics."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

METHOD = {"refreshed": "bn_recalibration_batches", "distilled": "distillation_weight"}
OPTIONS: dict[tuple[str, str | None], dict[str, str]] = {  # by part of the configuration and component
    ("training", None): {"settled": "freeze_bn", "start": "init_from", "stored": "weights_dtype"},
    ("architecture", "lc_resnet"): {"least_scale": "min_scale", "layer_rate": "layer_gate_lr"},
    ("method", "static"): METHOD | {"held_out": "controller_holdout"},
    ("method", "d2nn"): METHOD
    | {
        "taught": "self_distillation",
        "early": "early_exit_weight",
        "episodes": "random_route_fraction",
        "full_path": "full_route_fraction",
        "explore": "exploration_fraction",
        "settle": "epsilon_decay_end",
        "last_epsilon": "final_epsilon",
        "held_out": "controller_holdout",
        "bag": "bag_size",
        "mixing": "controller_gradient",
        "refit": "refit_controllers",
    },
    ("method", "lcnet"): METHOD
    | {
        "least": "min_budget",
        "penalty": "budget_weight",
        "groups": "budget_groups",
        "anneal": "budget_warmup",
        "beside": "sandwich_weight",
    },
}
METRICS = {
    "train taught loss": "train self-distillation loss",
    "train distilled loss": "train distillation loss",
    "train beside loss": "train all-open distillation loss",
    "train full network loss": "train all-open classification loss",
}


def upgrade() -> None:
    op.add_column("runs", sa.Column("gated", sa.Boolean, nullable=False, server_default=sa.false()))
    runs = sa.table("runs", sa.column("method"), sa.column("gated", sa.Boolean))
    op.get_bind().execute(sa.update(runs).where(runs.c.method != "static").values(gated=True))
    rename(OPTIONS, METRICS)


def downgrade() -> None:
    rename({component: _inverse(names) for component, names in OPTIONS.items()}, _inverse(METRICS))
    op.drop_column("runs", "gated")


def rename(options: Mapping[tuple[str, str | None], Mapping[str, str]], metrics: Mapping[str, str]) -> None:
    """Rename options in all configurations, and metrics."""
    connection = op.get_bind()
    runs = sa.table("runs", sa.column("id"), sa.column("config", sa.JSON))
    for row in connection.execute(sa.select(runs.c.id, runs.c.config)).all():
        config = {part: _renamed(chosen, options.get((part, _name(chosen)), {})) for part, chosen in row.config.items()}
        if config != row.config:
            connection.execute(sa.update(runs).where(runs.c.id == row.id).values(config=config))
    points = sa.table("points", sa.column("run_id"), sa.column("name"), sa.column("epoch"))
    for old, new in metrics.items():
        newer = points.alias("newer")  # a run that was resumed may have the same epoch under both names
        twice = sa.exists().where(newer.c.run_id == points.c.run_id, newer.c.epoch == points.c.epoch, newer.c.name == new)
        connection.execute(sa.delete(points).where(points.c.name == old, twice))
        connection.execute(sa.update(points).where(points.c.name == old).values(name=new))


def _renamed(chosen: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(chosen, dict):
        return chosen
    return {names.get(option, option): value for option, value in chosen.items()}


def _name(chosen: Any) -> str | None:
    return chosen.get("name") if isinstance(chosen, dict) else None


def _inverse(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}
