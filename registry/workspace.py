"""Finds the project, opens the adapters that it names, and joins them to the verbs; nothing else chooses."""
