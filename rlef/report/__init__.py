"""What a run leaves behind for people: a table, learning curves, one self-contained HTML page."""
