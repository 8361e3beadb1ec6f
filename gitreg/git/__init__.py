"""The door to Git: the only package that reads, writes or runs it.

================  ================================================================
`process`         runs Git: environment, fixed options, errors
`given_settings`  which of Git's settings in the environment are kept
`repository`      `GitRepository`: where it is, its branch, its identity
`objects`         Git's objects: reads and writes them
`publish`         writes a `Change`; moves branch and tags in one compare-and-swap
`remote`          talks to remotes: fetch, push, list
`remote_settings` which remote a branch is published to
`path_remotes`    the folder of a remote that is on this machine
`push_failures`   why a push failed
`own_references`  ``refs/gitreg/…``: written without lock files that stay
`locks`           Git's lock files: who holds one, how old it is
`causes`          failures of a remote that a retry does not help against
`pre_push`        the user's pre-push hook: what it needs, whether it refused
`submodules`      what a push does with submodules
`rewinds`         the commits that a remote branch had: what tells that it went backwards
`branches`        which commits are on a branch, by the evidence of the repository
`worktree`        the user's work tree and index, and how they move beside the branch
`interrupted`     finishes a publication that failed between work tree and branch
`index`           whether a file is in index and work tree as a commit has it
`log`             reads commits along the first parents
`steps`           reads each commit of a range beside each of its parents
`history_index`   `HistoryIndex`: events and tags of a branch, in SQLite
`history_lives`   the lives of models' names in it
`restored`        whether a model is back as it was before its name ended
`events`          the events that concern a model, a pointer or a version
`copies`          cached copies of repositories that are read by URL
`light`           a copy of one commit that fetches files on demand
`remote_tip`      the commit that a URL's default branch is at now
`last_seen`       the last known state of a repository that is read by URL
`heads`           where HEAD is, from Git's own files
`damage`          files of Git's that a power cut left empty
`scratch`         temporary folders that Git ignores and the next run removes
`sharing`         modes of files in a repository that a group shares
`signing`         signs commits and tags as the user configured
================  ================================================================
"""
