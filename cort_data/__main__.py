"""`python -m cort_data` is the `cort` command, where its folder is not on the path."""

from cort_data.cli import main

if __name__ == "__main__":
    main()
