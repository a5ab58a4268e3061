"""``python -m skysift``: the command line."""

from skysift.cli.main import main

if __name__ == "__main__":
    main()
