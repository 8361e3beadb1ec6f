#!/bin/sh
# gitreg hook: @NAME@
# Written by `gitreg hook install @NAME@`, and written again by the next one.
# A hook that was here before is @NAME@.before-gitreg, and runs first.
before=${0%/*}/@NAME@.before-gitreg
if [ -x "$before" ]; then
    input=$(cat)
    printf '%s\n' "$input" | "$before" "$@" || exit $?
    exec <<UPDATES
$input
UPDATES
fi
exec @CALL@
