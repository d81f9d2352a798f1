"""The credit within a mini-bag: runs that were trained before it was an option shared the reward of the bag."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for run_id, config in _configs():
        method = config.get("method")
        if isinstance(method, dict) and method.get("name") == "d2nn" and method.get("bag_size", 1) != 1 and "credit" not in method:
            _write(run_id, config | {"method": method | {"credit": "bag"}})


def downgrade() -> None:
    for run_id, config in _configs():
        method = config.get("method")
        if isinstance(method, dict) and "credit" in method:
            _write(run_id, config | {"method": {option: value for option, value in method.items() if option != "credit"}})


def _configs() -> list[tuple[int, dict[str, object]]]:
    """Return each run's number and configuration, of those that can be read."""
    runs = sa.table("runs", sa.column("id"), sa.column("config"))
    found = []
    for run_id, text in op.get_bind().execute(sa.select(runs.c.id, sa.cast(runs.c.config, sa.Text))).all():
        try:
            config = json.loads(text)
        except (TypeError, ValueError):  # damaged
            continue
        if isinstance(config, dict):
            found.append((run_id, config))
    return found


def _write(run_id: int, config: dict[str, object]) -> None:
    runs = sa.table("runs", sa.column("id"), sa.column("config", sa.JSON))
    op.get_bind().execute(sa.update(runs).where(runs.c.id == run_id).values(config=config))
