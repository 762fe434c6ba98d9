"""What goes wrong with tasks and can be put right by the user. One exception; its message ends with the remedy."""


class TaskError(Exception):
    """An unknown suite, a missing file, a row that cannot be read. The message is one line and names the remedy."""
