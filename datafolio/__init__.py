"""datafolio: one home for an experiment's tables, models, arrays and metadata, with immutable snapshots."""
