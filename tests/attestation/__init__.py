"""What others read of us."""
