"""The common layer of Set Pieces: what every service needs and no service owns.

Import the module you use (``from setpieces import rest``); nothing is imported for you, because each import is paid for
at every cold start.
"""
