"""The append-only list of decisions."""
