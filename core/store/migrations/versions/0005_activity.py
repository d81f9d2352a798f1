"""What the process of a run does beside training, such as reading images."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("runs", sa.Column("activity", sa.String(200)))


def downgrade() -> None:
    op.drop_column("runs", "activity")
