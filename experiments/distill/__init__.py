"""How the small network and the pictures that come with the code were made.

python -m experiments.distill --config=experiments/distill/config.py --workdir=runs/distill
"""
