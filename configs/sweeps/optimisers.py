"""Which optimiser? L-BFGS with each line search, and first-order methods, by evaluations and by seconds.

    python -m experiments.sweep --config=configs/sweeps/optimisers.py --workdir=runs/optimisers \
        --target_loss=2

Gatys et al. 2016 (section 2.3) found L-BFGS to work best. The same number of updates each, which for L-BFGS
with a line search are a few more evaluations: compare by `loss`, `evaluations` and `seconds_to_loss`.
13 points:

- lbfgs with the searches wolfe (nst/optimizers/wolfe.py), zoom and backtracking (Optax's) and none, and wolfe with 5
  pairs instead of 20;
- lbfgs_torch as jcjohnson/neural-style runs it, on pixels up to 255;
- adam over a decade and a half of learning rates (pixels lie in [0, 1]), rmsprop;
- gradient_descent, the plain rule x := x - lr dJ/dx, whose rates are bound to the scale of the loss.

What was found (cat in swirls, small network, 200 updates from the photograph): all L-BFGS end at a loss of
1.52 (5 pairs: 1.55) after 200 to 204 evaluations: from this start every first guess is accepted, and the
search costs nothing. They reach a loss of 2 in 6.4 to 7.5 seconds on two cores. adam at 0.03 is the best
first-order method (1.59, and at 2 the first of all, 5.7 s); at 0.01 it ends at 1.79, at 0.1 at 2.17, at 0.003
at 3.9. rmsprop 2.35; gradient descent 2.43 (rate 3) and 7.0 (rate 1). The judge's style distance follows the
loss but loosely: 0.10 to 0.11 for all L-BFGS, 0.097 for adam at 0.03. One pair, one start.
"""

from configs.sweeps import pooling
from nst.sweeps.space import chain, grid


def get_config():
    return pooling.get_config()


def sweep():
    return chain(
        grid(
            {
                "optimizer.name": ["lbfgs"],
                "optimizer.line_search": ("wolfe", "zoom", "backtracking", "none"),
            }
        ),
        grid({"optimizer.name": ["lbfgs"], "optimizer.memory": [5]}),
        grid({"optimizer.name": ["lbfgs_torch"], "optimizer.pixel_range": [255.0]}),
        grid({"optimizer.name": ["adam"], "optimizer.learning_rate": (0.003, 0.01, 0.03, 0.1)}),
        grid({"optimizer.name": ["rmsprop"], "optimizer.learning_rate": [0.01]}),
        grid({"optimizer.name": ["gradient_descent"], "optimizer.learning_rate": (1.0, 3.0)}),
    )
