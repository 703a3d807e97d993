"""The results as web pages: Datasette on the database, and the pictures that it does not know of.

Datasette does tables, filters, SQL, JSON and CSV. What is here adds a gallery, a page for each picture, a dashboard and
the runs of jobs; the annotated copies come out of the outbox and from nowhere else. Nothing here writes.

Importing this is cheap; `server` needs the extra `browse`.
"""
