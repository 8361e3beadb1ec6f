git cat-file -e "$BEFORE^{commit}" 2>/dev/null || BEFORE=$(git hash-object -t tree /dev/null)
git diff --name-only --no-renames -z "$BEFORE" "$AFTER" -- 'registry/*/stages/production.yaml'
