"""Measures ReTraced beside plain redis-py on the same work, interleaved in one run."""
