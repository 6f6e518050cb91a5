"""pystiche_papers' gatys_ecker_bethge_2016 with its default `impl_params=True` (commit a8a87f4).

    nst stylize --config=pystiche_gatys2016 --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/pystiche

The weights are Caffe's, with relu layers and max pooling. Content is the mean square on relu4_2; style is the
mean square of Gram / (HW) with weight 1e3 / C^2 on each layer. Torch's L-BFGS (one evaluation per update, 100
pairs) makes 500 updates from the photograph, whose short edge has 512 px. The config is that of
gatys_notebook.py, except for the filter that resizes pictures and the range of the optimiser's pixels.

At 256 px, with these weights, the photograph's dark and light places are left, but the raccoon cannot be
recognised (raccoon in night, 150 updates).

Departs from the replication: torch resizes the tensor bilinearly; here Pillow's bilinear filter is used.
"""

from nst.configs import gatys_notebook


def get_config():
    config = gatys_notebook.get_config()
    config.resize_filter = "bilinear"
    config.optimizer.pixel_range = 1.0
    return config
