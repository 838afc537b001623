"""What `retraced demo` shows: a shop's orders, worked by two groups on good and bad days."""
