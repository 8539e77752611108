"""What the registry says in forms that other tools read: signatures, provenance, test results, bills of materials."""
