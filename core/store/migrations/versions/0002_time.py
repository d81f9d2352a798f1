"""How long a run was trained, over all its processes, and where."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("runs", sa.Column("seconds", sa.Double, nullable=False, server_default=sa.text("0")))
    op.add_column("runs", sa.Column("machine", sa.String(255)))


def downgrade() -> None:
    op.drop_column("runs", "machine")
    op.drop_column("runs", "seconds")
