"""Other registries that show what the ledger says."""
