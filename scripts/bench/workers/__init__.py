"""What works the jobs of a benchmark: ReTraced's handlers, and two loops of plain redis-py."""
