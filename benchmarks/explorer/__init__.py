"""Whether what the alert page says of the past, and of what would calm it, is right."""
