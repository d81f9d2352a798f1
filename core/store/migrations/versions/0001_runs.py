"""Runs, metric points and checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("reference", sa.Boolean, nullable=False),
        sa.Column("architecture", sa.String(100), nullable=False),
        sa.Column("dataset", sa.String(100), nullable=False),
        sa.Column("method", sa.String(100), nullable=False),
        sa.Column("lam", sa.Double),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("image", sa.JSON),
        sa.Column("classes", sa.JSON),
        sa.Column("epoch", sa.Double, nullable=False),
        sa.Column("epochs", sa.Integer, nullable=False),
        sa.Column("created", instant, nullable=False),
        sa.Column("started", instant),
        sa.Column("finished", instant),
        sa.Column("heartbeat", instant),
        sa.Column("pid", sa.Integer),
        sa.Column("host", sa.String(255)),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("deleted", instant),
        sa.Column("sweep", sa.String(200)),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sqlite_autoincrement=True,
    )
    present = sa.text("deleted IS NULL")
    op.create_index("ix_runs_name", "runs", ["name"], unique=True, sqlite_where=present, postgresql_where=present)
    op.create_table(
        "points",
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("epoch", sa.Double, nullable=False),
        sa.Column("value", sa.Double),
        sa.PrimaryKeyConstraint("run_id", "name", "epoch", name="pk_points"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_points_run_id", ondelete="CASCADE"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoints"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_checkpoints_run_id", ondelete="CASCADE"),
    )
    op.create_index("ix_checkpoints_run_id", "checkpoints", ["run_id"])


def downgrade() -> None:
    op.drop_table("checkpoints")
    op.drop_table("points")
    op.drop_table("runs")
