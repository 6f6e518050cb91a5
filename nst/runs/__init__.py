"""A run: from a config and two pictures to a result in its folder.

    settings   check a config and bring it to its normal form
    pictures   the pictures of a run, at their sizes and in their colours
    masks      mask files to regions
    job        everything that the optimisation starts from
    pyramid    the sizes, from coarse to fine
    fitting    size = auto
    sharding   the layout of a run on several devices
    loop       the host's loop around the device's
    recorder   metrics, previews and checkpoints
    folder     the files of a run
    stylize    the whole journey; start reading here

May import every package below it: `images` to `metrics`.
"""
