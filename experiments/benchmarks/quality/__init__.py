"""Judges recipes by the pictures that they make of a set of pairs, at equal work; see `__main__`.

pairs        photographs and paintings, and the files that list them (shipped.txt, bsds.txt)
recipes      configs with changes, and their steps scaled to equal work
judging      every measure of a result
results      making, keeping and finding results
comparison   one recipe against another, at equal content and at equal style
tables       the Markdown tables
sheets       pages of pictures to look at
"""
