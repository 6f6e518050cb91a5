"""How the small network and the pictures that come with the code were made.

python -m experiments.distill --config=configs/distill.py --workdir=runs/distill
"""
