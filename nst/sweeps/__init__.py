"""Sweeps: many runs that differ in some fields, and the table of their results.

    space       which fields vary
    local       run the points in this process
    batched     stack points in one program
    processes   run points in several processes, here or by Ray
    results     the folder of a sweep as a table

May import `runs` and what lies below it.
"""
