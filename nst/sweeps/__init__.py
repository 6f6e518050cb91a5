"""Sweeps: many runs that differ in some config fields, and the table of their results.

    space       the algebra that says which fields vary
    points      one config for each run
    local       run the points one after another in this process
    batched     run points that share a program as one batch
    processes   run points in several processes of this machine
    ray         run points on a Ray cluster
    launchers   the table of these ways to run points
    identity    what a finished point must agree with before its numbers are believed
    entropy      how peaked the activations of a point's network are
    results     the folder of a sweep, and its rows
    course      how far a run has come, and what it took
    judge       the instrument of a sweep
    export      the files of the table
    progress    the messages of a sweep

May import `runs` and the packages that `runs` may import.
"""
