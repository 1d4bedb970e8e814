"""``python -m personaevo``: the command line."""

from personaevo.cli import main

if __name__ == "__main__":
    main()
