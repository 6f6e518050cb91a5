"""Which optimiser is best? L-BFGS with each line search, and first-order methods, by evaluations and seconds.

    nst sweep --config=sweeps/optimisers --workdir=runs/optimisers \
        --target_loss=2

Gatys et al. 2016 (section 2.3) found L-BFGS to work best. All points make the same number of updates, for
which a line search needs a few more evaluations. So compare `loss`, `evaluations` and `seconds_to_loss`.
There are 13 points:

- lbfgs with the line searches wolfe (nst/optimizers/wolfe.py), zoom and backtracking (of Optax) and none, and
  wolfe with 5 pairs instead of 20;
- lbfgs_torch as jcjohnson/neural-style runs it, on pixels up to 255;
- adam over a decade and a half of learning rates (pixels lie in [0, 1]), and rmsprop;
- gradient_descent, the plain rule x := x - lr dJ/dx, whose rates depend on the scale of the loss.

Result (cat in swirls, small network, 200 updates from the photograph): all variants of L-BFGS end at a loss
of 1.52 (5 pairs: 1.55) after 200 to 204 evaluations. From this start every first step of the search is
accepted, so the search takes no extra time. They reach a loss of 2 in 6.4 to 7.5 seconds on two cores. adam
with a rate of 0.03 is the best first-order method: it ends at 1.59, and is the first to reach 2 (5.7 s). adam
ends at 1.79 with a rate of 0.01, at 2.17 with 0.1 and at 3.9 with 0.003. rmsprop ends at 2.35, gradient
descent at 2.43 (rate 3) and 7.0 (rate 1). The measured style distance follows the loss only loosely: it is
0.10 to 0.11 for all variants of L-BFGS, and 0.097 for adam at 0.03. This is one pair of pictures and one
start.
"""

from nst.configs.sweeps import pooling
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
