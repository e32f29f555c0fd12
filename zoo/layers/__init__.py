"""Building blocks shared by the families."""
