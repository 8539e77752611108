"""The held-out evaluation: what is asked, what was answered, what the verifiers say."""
