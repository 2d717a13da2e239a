"""Gates: checks of scores that decide whether a release may go on."""
