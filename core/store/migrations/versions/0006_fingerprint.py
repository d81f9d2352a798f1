"""The fingerprint of the images that a run was trained on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("runs", sa.Column("fingerprint", sa.String(64)))


def downgrade() -> None:
    op.drop_column("runs", "fingerprint")
