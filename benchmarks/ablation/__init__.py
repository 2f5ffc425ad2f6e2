"""What each part of the detector is worth: fitted once, fused again without it."""
