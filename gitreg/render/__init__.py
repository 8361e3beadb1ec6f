"""Rendering: results as text, JSON and reports. No I/O.

Text from a registry is escaped here, so that it cannot control a terminal or forge a report.

=============  ===============================================================
`as_text`      results for people: sentences, lists, a version
`events`       the log, and what a rollback may go back to
`comparison`   two versions side by side
`differences`  code, data and environment of two versions, in detail
`pages`        a model's page, what a stage holds, where a clone stands
`as_json`      results for ``--json``
`bisection`    a search for the first bad version
`reproduction` what a reproduction runs, and what came out
`reports`      what ``gitreg check`` found: text, Markdown, SARIF, GitHub, GitLab
`terminal`     escaping, tables, sizes and ranges of numbers
`colour`       colours of stages and verdicts
=============  ===============================================================
"""
