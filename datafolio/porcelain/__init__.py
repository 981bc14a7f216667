"""What users mean: folios, items, metadata, snapshots.  Binds values to the store below."""
