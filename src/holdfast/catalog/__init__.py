"""Rows and search: the adapters of the core's `Catalog` port.

`sqlite.open_sqlite` is the way in. The modules behind it, from the bottom up: `folding` (how names are compared and
cut into pieces for the index), `rowcodec` (structs to rows and back), `statements` (the named SQL shared by
adapters), `compile` and `plans` (queries to SQL), `connection` (one configured connection), `migrations`, `reading`
and `writing` (the ports' verbs on one connection), `threads` (the writer with its group commit, the readers with
their time limit).
"""
