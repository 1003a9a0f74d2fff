"""Heavy work for the web process: models and comparisons run in child processes, which are started when first asked."""
