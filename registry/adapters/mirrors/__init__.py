"""Other registries, which show what the ledger says."""
