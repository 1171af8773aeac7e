"""What perfgate's own gate runs against."""
