"""Small commands `nst photo painting`, and what they are refused with."""

QUICK = ("--size=32", "--steps=3", "--network=random", "--config.style_loss.layers=relu1_1,relu2_1",
         "--config.content_loss.layers=relu2_1", "--config.content_loss.layer_weights=1",
         "--config.optimizer.name=adam", "--config.optimizer.learning_rate=0.02")  # fmt: skip
FREE = QUICK[:2] + QUICK[3:]  # without the choice of a network


def refused(end, *parts):
    status, _, error = end
    error = "".join(line for line in error.splitlines(keepends=True) if not line.startswith("note: "))
    assert status == 1 and error.count("\n") == 1 and error.startswith("error: "), end
    for part in parts:
        assert part in error, end
