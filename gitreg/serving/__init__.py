"""A live model in a process: it follows its reference, and serves on when a new version fails.

===========  ====================================================================
`live`       `LiveModel`: start, use, follow, swap
`following`  asks whether the reference moved, and which version it names
`copies`     verified copies on disk, which all processes of a machine share
`served`     `ServedVersion`, and `Current`: a model for the length of a request
`status`     what a live model reports: what serves, what failed, and since when
`health`     its routes: health, version, metrics, webhook
`metrics`    the Prometheus metrics of all live models of a process
`webhook`    whether a webhook is signed
===========  ====================================================================
"""
