"""Worker processes that are told to take nothing more."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _allow("'queue', 'actor', 'worker'")


def downgrade() -> None:
    op.execute("delete from pauses where kind = 'worker'")
    _allow("'queue', 'actor'")


def _allow(kinds: str) -> None:
    op.execute("alter table pauses drop constraint pauses_kind_check")
    op.execute(f"alter table pauses add constraint pauses_kind_check check (kind in ({kinds}))")
