"""How Alembic runs a migration here: on the connection, and in the transaction, that it is handed by `core.store.database.migrate`.

A change of the schema is one more file in versions/, whose name and `revision` begin with the next number.
"""

from alembic import context

from core.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
