"""Review: pull requests for changes, and the files that make a Git host run gitreg.

A new Git host needs an entry in `hosts`, a subclass of `HostCli` when it has a program that opens
requests, and a template in ``resources/`` when it runs workflows.

============  ===================================================================
`reviewer`    `Reviewer`: pushes a change to its own branch and opens the request
`evidence`    the text of a request: what a reviewer must know
`hosts`       Git hosts by the URL of a remote, and the addresses of their pages
`hostcli`     runs GitHub's ``gh`` and GitLab's ``glab``
`workflows`   ``gitreg ci``: the workflow files
`codeowners`  ``gitreg codeowners``: who must review which stage
`resources`   the templates that `workflows` fills
============  ===================================================================
"""
