"""Finds the project, opens the adapters that it names, and joins them to the verbs; nothing else chooses.

`project.Registry` is the Python API. The command line calls the same methods, so what works in a terminal works in a
program.
"""
