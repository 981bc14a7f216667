"""The plumbing: objects, trees, the log, and what is done with them.  Knows bytes, never values."""
