"""The command `nst`: `main` chooses the subcommand, and each subcommand is a file of its own.

    main        the table of subcommands, and what they share: --config, --debug, errors as one line
    arguments   the words of a command that set the config
    mistakes    what was probably meant by words that cannot be meant
    options     options that several subcommands share
    catalogue   the configs that come with nst, by name
    process     standard streams, errors as one line, exit status
    signals     Ctrl-C, kill and the end of the terminal as a wish to stop
    tables      tables of text, and numbers with their units
    paint       nst photo.jpg painting.jpg: its words and options
    plain       these options, and the fields that they set
    pairs       the pictures that it asks for, and the paths of the results
    networks    VGG-19, or the small network
    making      one of them: whether it is finished, and its making
    gallery     all of them, and the contact sheet
    stylize     one run in a run folder
    sweep       every point of a sweep; report: its page
    measure     pictures against their photograph and painting
    visualize   what the layers of a network represent
    animate     a film of a run
    configs     the configs that come with nst
    doctor      what is found on this machine, and what is missing

A subcommand has `add_arguments(parser)` and `run(args)`, which returns the exit status. This is the highest
level of nst: nothing else imports it but experiments/.
"""

import os

# XLA logs a page of text, at the level of errors, for each program that it reads from the compilation cache
# and that another process compiled. These logs are turned off; a true error also raises an exception. JAX
# sets the variable to 1 in every process that imports it, and programs that are started there, as from a
# notebook, inherit it. So 1 does not mean that the user chose it.
if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
