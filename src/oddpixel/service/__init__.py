"""The scoring service: `oddpixel serve`. Score, audit, density and generate over HTTP, with a queue that loses nothing.

app       the routes: one image at once, or a job
queue     jobs in SQLite or PostgreSQL: accepted once, worked on at least once, one result each
spool     what was sent, by its SHA-256, until its jobs have expired
worker    a process that claims jobs; several of them, restarted when they die
kinds/    what can be asked for, one file each
clients   who may ask, and how often
metrics   what Prometheus reads
"""
