"""``make preflight``: the prerequisites that an account lacks before the first deployment of a stage, with remedies.

    make preflight ENV=dev                 before the whole shop; make deploy runs it if the stack does not exist
    make preflight ENV=dev PIECE=delivery  before make bootstrap

Nothing is created or changed. The resources that a deployment creates are counted from the templates. ``command.CHECKS`` lists
the checks: functions from an ``Account`` to findings, in one module for each area.
"""
