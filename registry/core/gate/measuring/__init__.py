"""From rows to numbers: metrics, estimates with bounds, and how strong a rule on them is."""
