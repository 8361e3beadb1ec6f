"""The registry as a static site: pages that are built by CI and read from a folder."""
