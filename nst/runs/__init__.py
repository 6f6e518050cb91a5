"""A run: from a config and two pictures to a result in its folder. Start reading at `stylize`.

    stylize     a whole run, step by step
    settings    check a config and bring it to its normal form
    fields      the table of the fields: what each may hold
    kinds       types and ranges of values, however typed
    specs       make Network, Spec, Weights and Optimizer from a config
    pictures    read the pictures, resize them and adjust their colours
    masks       read mask files as regions
    network     load the frozen network
    job         everything that the optimisation starts from
    sharding    how a run is divided over several devices
    compiling   compile the loop of a job
    forecast    the least memory that a run needs, from the sizes of its pictures
    fitting     what fits into memory; size = auto
    pyramid     the sizes, from coarse to fine
    run         a job, its record and its state, while its folder is locked
    loop        call the compiled loop, and write files between the calls
    recorder    metrics, previews and checkpoints
    folder      the files of a run
    checkpoint  the state of a run as a file
    identity    what the pixels of a run depend on; what continues it must have the same
    hooks       what the caller of a run gives it: stop, log, progress
    display     progress in a terminal and in a notebook
    interrupt   Ctrl-C as a wish to stop
    session     versions, device and commit, for the manifest

May import `images`, `networks`, `styles`, `optimizers`, `devices`, `losses` and `metrics`.
"""
