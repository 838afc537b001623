"""The heart: fetch, dispatch, decide, settle, and the lease that holds while a job runs."""
