"""What the program costs: seconds, memory, and the loss that is reached, beside other programs."""
