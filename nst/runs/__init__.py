"""A run: from a config and two pictures to a result in its folder. Start reading at `stylize`.

    stylize     the whole journey
    settings    check a config and bring it to its normal form
    specs       make Network, Spec, Weights and Optimizer of it
    pictures    read the pictures, at their sizes and in their colours
    masks       read mask files as regions
    network     load the frozen network
    job         everything that the optimisation starts from
    sharding    how a run is divided over several devices
    compiling   compile the loop of a job
    fitting     what fits into memory; size = auto
    pyramid     the sizes, from coarse to fine
    run         a job, its record and its state, while its folder is locked
    loop        the host's loop around the device's
    recorder    metrics, previews, checkpoints and progress
    folder      the files of a run
    session     versions, device and commit, for the manifest

May import every package below it: `images` to `metrics`.
"""
