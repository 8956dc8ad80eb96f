"""The contract of rows that hold replies, as SQL over them needs it."""

import duckdb

from schemas.reply_row import REPLY


def test_no_column_needs_quotes_in_sql() -> None:
    replies = REPLY.to_frame()
    with duckdb.connect() as db:
        db.register("reply", replies.to_arrow())
        found = db.sql(f"SELECT {', '.join(REPLY)} FROM reply WHERE final IS NULL AND index > 0 ORDER BY tokens")
        assert found.columns == list(REPLY)
