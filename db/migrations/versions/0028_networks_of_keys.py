"""The networks from which a key is accepted."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table api_keys add column networks text[] not null default '{}'")


def downgrade() -> None:
    op.execute("alter table api_keys drop column networks")
