"""Where a program runs: devices, processes, memory, and the cache of compiled programs.

    mesh                one image divided over several devices
    processes           several processes that make one image together
    memory              what a program needs, and what a device has
    platform            flags of XLA for a GPU, and whether JAX can start on the platform that is asked for
    compilation_cache   keeps compiled programs on the disk

Imports nothing of nst but `errors` and `files`.
"""
