"""What is looked for by how it begins is in the order of its bytes, whatever the locale makes of punctuation."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COLUMNS = (("jobs", "blocked_by"), ("limits", "key"), ("limit_grants", "key"), ("limit_starts", "key"))


def upgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f'alter table {table} alter column {column} type text collate "C"')


def downgrade() -> None:
    for table, column in COLUMNS:
        op.execute(f'alter table {table} alter column {column} type text collate "default"')
