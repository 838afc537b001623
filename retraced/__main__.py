"""`python -m retraced` is the command `retraced`."""

from retraced.cli.main import main

if __name__ == "__main__":
    main()
