"""Real servers for the tests, on free loopback ports: OpenSSH, Git over HTTP, S3, a slow line.

Each is a context manager that gives the server once it answers, fails with the server's own log
when it does not, and ends it. Nothing in them reads this machine's configuration.
"""
