"""One flat vocabulary for mistakes a user can mend. The command line prints the message alone and exits with 2."""


class RlefError(Exception):
    """Something the user can put right. The message names what is wrong and the remedy, in one line."""
