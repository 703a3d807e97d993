"""Each of the checks of `watcher verify`: what it looks through, what it finds, and how that is mended."""
