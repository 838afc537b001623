"""What `retraced doctor` looks at: bounded reads that give facts. They judge nothing."""
