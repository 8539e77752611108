"""The contract of each door: subclass it and your adapter is tested."""
