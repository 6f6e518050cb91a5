"""Where a program runs: devices, processes, memory, and the cache of compiled programs.

    mesh                one image divided over several devices
    processes           several processes that make one image together
    memory              what a program needs, and what a device has
    platform            flags of XLA for a GPU, and whether JAX can start on the platform that is asked for
    compilation_cache   JAX's cache of compiled programs on the disk
    programs            those of a run, which are found there without being traced again

Imports nothing of nst but `errors` and `files`.
"""
