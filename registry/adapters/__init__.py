"""The world behind the doors."""
