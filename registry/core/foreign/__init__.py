"""What other evaluation tools wrote, read as strictly as our own evidence."""
