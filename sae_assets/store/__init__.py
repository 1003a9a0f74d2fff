"""Results in MongoDB: the documents, how they are published and read, and the server that comes with the package."""
