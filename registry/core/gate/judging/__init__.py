"""From numbers to a verdict: each rule on its own, and what holds a gate back."""
