"""The command `nst`: `main` chooses the subcommand, and each subcommand is a file of its own.

    main        the table of subcommands, and what they share: --config, --debug, errors of one line
    arguments   the words of a command that set the config
    mistakes    suggestions for words that a command does not understand
    options     options that several subcommands share
    catalogue   the configs that come with nst, by name
    process     standard streams, errors of one line, exit status
    signals     Ctrl-C, kill and the end of the terminal as a request to stop
    tables      tables of text, and numbers with their units
    paint       nst photo.jpg painting.jpg: the words and options of the command
    plain       the options of that command, and the fields that they set
    pairs       the pictures that the command asks for, and the paths of the results
    chosen      the network of the command: VGG-19, or the small one
    making      making of one picture
    gallery     making of all pictures, and the contact sheet
    stylize     one run in a run folder
    sweep       every point of a sweep
    report      the page of a sweep
    measure     measuring of pictures against their photograph and painting
    visualize   figures of what the layers of a network represent
    animate     a film of a run
    networks    the networks and their layers
    configs     the configs that come with nst
    doctor      the libraries, devices and files on this machine

A subcommand has `add_arguments(parser)` and `run(args)`, which returns the exit status. Only
experiments/ imports this package.
"""

import os

# For each program that it reads from the compilation cache and that another process compiled, XLA logs a page
# of text at the level of errors. These logs are turned off; a true error also raises an exception. JAX sets
# the variable to 1 in every process that imports it, and programs that such a process starts, for example
# from a notebook, inherit it. So 1 does not mean that the user chose it.
if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
