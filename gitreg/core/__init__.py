"""The pure core: what a registry is and how it changes, without Git, DVC, disk or clock."""
