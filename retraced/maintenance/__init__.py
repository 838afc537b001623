"""What keeps the groups of a worker in order: due jobs, silent deliveries, leftovers."""
