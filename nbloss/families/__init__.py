"""The families of losses: what a formula is given and returns, and how its arguments are prepared."""
