"""Engines: models that answer, each behind the door `registry.ports.Engine`."""
