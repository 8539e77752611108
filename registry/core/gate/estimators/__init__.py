"""The estimators by subject; their public names are those of `registry.core.gate.estimate`."""
