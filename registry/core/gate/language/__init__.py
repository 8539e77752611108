"""The language of a gate file: its grammar, its rules and its settings."""
