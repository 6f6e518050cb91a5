"""Gatys, Ecker & Bethge 2015, *A Neural Algorithm of Artistic Style* (arXiv 1508.06576).

    nst stylize --config=gatys2015 --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/gatys2015

Content is on conv4_2 (eq. 1) and style on conv1_1 .. conv5_1 with w_l = 1/5 (eqs. 3-5), with average pooling
and gradient descent from white noise; alpha/beta is 1e-3 (the paper's figure 2 has 1e-3 and 1e-4). The paper
does not name the optimiser of its figures. This config uses L-BFGS, as the authors' code and the other
programs do; the plain rule x := x - lr dJ/dx is `--config.optimizer.name=gradient_descent`. The weights suit
512 px, as the weights of the config gatys2016 do.
"""

from nst.configs import gatys2016


def get_config():
    config = gatys2016.get_config()
    config.style_loss.weight = 1e3
    config.init.noise_scale = 0.1
    return config
