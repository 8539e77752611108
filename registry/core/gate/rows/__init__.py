"""Evidence as a gate reads it: rows in columns, and the canary."""
