"""Builders for tensorflow-datasets of sets that it lacks, or has in another form."""
