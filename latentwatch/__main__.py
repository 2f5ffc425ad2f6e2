"""`python -m latentwatch`: the same command line."""

from latentwatch.cli import main

if __name__ == "__main__":
    main()
