"""The command line: one program, a verb for each thing that one does."""
