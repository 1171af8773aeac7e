"""The bench of the paired decision: how often it errs and what it costs, beside other rules on the same rounds."""
