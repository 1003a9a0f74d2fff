"""The results of an analysis in Python and in notebooks: features as objects, all of them as a table."""
