"""`python -m holdfast`: the command line, where no `holdfast` is on the path."""

from holdfast.cli import main

if __name__ == "__main__":
    main()
