"""How often intervals, corrections and the gate are right, in simulated experiments."""
