"""pystiche_papers' gatys_ecker_bethge_2016 with its default `impl_params=True` (commit a8a87f4).

    python -m experiments.stylize --config=configs/pystiche_gatys2016.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/pystiche

Caffe weights, relu layers, max pooling; content mean squares on relu4_2; Gram / (HW) with mean squares,
1e3 times 1 / C^2 of each layer; 500 updates of torch's L-BFGS (one evaluation each, 100 pairs) from the
photograph, short edge 512. It is the loss of configs/gatys_notebook.py, with which it shares everything
but the resizing.

Departs from it: torch resizes the tensor bilinearly, here Pillow's filter of that name is used.
"""

from configs import gatys_notebook


def get_config():
    config = gatys_notebook.get_config()
    config.resize_filter = "bilinear"
    config.optimizer.pixel_range = 1.0
    return config
