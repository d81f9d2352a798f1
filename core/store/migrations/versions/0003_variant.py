"""Which variant of its sweep a run is, read from the names of older runs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("runs", sa.Column("variant", sa.String(200)))
    runs = sa.table("runs", *(sa.column(name) for name in ("id", "name", "sweep", "variant")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(runs.c.id, runs.c.name, runs.c.sweep).where(runs.c.sweep.is_not(None))).all():
        if row.name.startswith(f"{row.sweep}/") and (variant := row.name.removeprefix(f"{row.sweep}/").split("/")[:-2]):
            connection.execute(sa.update(runs).where(runs.c.id == row.id).values(variant="/".join(variant)))


def downgrade() -> None:
    op.drop_column("runs", "variant")
