"""The losses, in folders by task: one loss, one file."""
