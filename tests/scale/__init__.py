"""How the looking commands do when there is very much to look at: `python -m tests.scale`."""
