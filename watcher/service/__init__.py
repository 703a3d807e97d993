"""The composition root: intake, vision and results wired together, and the loop that drives them."""
