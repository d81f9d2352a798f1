"""Run the migrations on the connection, and in the transaction, that `core.store.database.migrate` provides.

To change the schema, add a file to versions/ whose name and `revision` begin with the next number.
"""

from alembic import context

from core.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
