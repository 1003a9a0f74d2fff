"""What the API and the pages do, as functions of the context and plain arguments, one file a subject."""
