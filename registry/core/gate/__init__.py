"""The coded rules, their statistics and their verdicts."""
