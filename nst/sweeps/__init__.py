"""Sweeps: many runs that differ in some config fields, and the table of their results.

    space       the algebra that says which fields vary
    points      one config for each run
    local       run the points one after another in this process
    batched     run points that share a program as one batch
    processes   run points in several processes of this machine
    ray         run points on a Ray cluster
    launchers   the table of these ways to run points
    identity    the config and the inputs to which the numbers of a point belong
    entropy     the entropy of the activations of a point's network
    results     the folder of a sweep, and the rows of its table
    course      the progress of a run, and the time and memory that it took
    judge       the instrument of a sweep
    export      the files of the table
    progress    the messages of a sweep

May import `runs` and the packages that `runs` may import.
"""
