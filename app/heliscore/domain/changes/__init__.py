"""What changed: how far scores have moved beyond noise from one time to the next, and since when."""
