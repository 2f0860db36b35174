"""The `assay` command."""

from assay_cli.app import app


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
