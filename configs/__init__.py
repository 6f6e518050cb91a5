"""The configs that come with nst, one file each; default.py has every field, the others set what differs."""
