"""The devices and processes on which a program runs, their memory, and caches of compiled programs.

    mesh                one image divided over several devices
    processes           several processes that compute one image together
    memory              the memory that a program needs, and the memory of a device
    platform            XLA's flags for a GPU, and the check that JAX can start
    compilation_cache   JAX's cache of compiled programs on the disk
    programs            a cache of a run's programs on the disk, which are found without tracing them again

May import `errors` and `files`.
"""
