"""A run: from a config and two pictures to a result in its folder. Start reading at `stylize`.

    stylize     a whole run, step by step
    settings    checking of a config, and its normal form
    fields      the table of the fields of a config: the values that each may hold
    kinds       types and ranges of values, and the ways in which they may be written
    specs       Network, Spec, Weights and Optimizer, made from a config
    pictures    reading, resizing and recolouring of the pictures
    masks       reading of mask files as regions
    network     loading of the frozen network
    job         everything that the optimisation starts from
    sharding    the division of a run over several devices
    compiling   compiling of the loop of a job
    forecast    the least memory that a run needs, from the sizes of its pictures
    fitting     the memory that a run needs; size = auto
    pyramid     the sizes, from coarse to fine
    run         a job, its record and its state, while its folder is locked
    loop        calls of the compiled loop, with files written between them
    recorder    metrics, previews and checkpoints
    folder      the files of a run
    checkpoint  the state of a run as a file
    identity    everything that the pixels of a run depend on, by which a run is recognised
    hooks       the functions that the caller of a run passes: stop, log, progress
    display     progress in a terminal and in a notebook
    interrupt   Ctrl-C as a request to stop
    session     versions, device and commit, for the manifest
    log         the lines of the log

May import `images`, `networks`, `styles`, `optimizers`, `devices`, `losses` and `metrics`.
"""
