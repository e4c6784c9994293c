"""The command line: options, what is printed, exit codes.

It does no work of its own: each command calls a room below, and nothing below knows of it.
"""
