#!/bin/sh
# gitreg hook: pre-receive
# Written by `gitreg hook install pre-receive`, and written again by the next one.
# A hook that was here before is pre-receive.before-gitreg, and runs first.
before=${0%/*}/pre-receive.before-gitreg
if [ -x "$before" ]; then
    input=$(cat)
    printf '%s\n' "$input" | "$before" "$@" || exit $?
    exec <<UPDATES
$input
UPDATES
fi
exec @PYTHON@ -I -c 'import sys; sys.path.insert(0, '"'"'@PLACE@'"'"'); from gitreg.hooks import main; sys.exit(main('"'"'pre-receive'"'"'))'
