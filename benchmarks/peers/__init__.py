"""The same work done by datafolio and by what people use instead of it, side by side."""
