"""The reference trainers that the DVC stages call."""
