"""Rows and search on PostgreSQL, for installations of more than one machine.

`catalog.open_postgres` is the way in. The modules behind it, from the bottom up: `wording` (shared SQL in PostgreSQL's
parameters), `grammar` (what it writes in its own way), `settings` (limits), `failures` (its errors in the core's
words), `sessions` (connections and round trips), `together` (reads that share a round trip, and are remembered),
`migrations`, `rows` (rows to statements), `reading` (keys and queries to statements), `conversations` (one
transaction), `groups` (bodies that share one) and `writing` (what a body sees of it).
"""
