"""Is this machine fit for Watcher, and this home for its daemon? Looks, tries, tells; changes nothing."""
