"""`retraced doctor`: facts come from `store/reads/health`, here they are judged and shown."""
