"""Files to pairs, to a decoded store, to patches, to batches."""
