"""The only code that speaks Redis: connections, scripts, writes and reads."""
