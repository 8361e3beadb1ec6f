model=$(python -c 'import sys, urllib.parse as u; print(u.unquote(sys.argv[1]))' \
  "$(basename "$(dirname "$(dirname "$STAGE_FILE")")")")
if [ -e "$STAGE_FILE" ]; then
  gitreg resolve "$model/production" > /dev/null  # fails the job if the pointer cannot be read
  # No state of another job: this runner may not have done the last deployment.
  gitreg watch "$model/production" --once --state "$(mktemp -d)/state.json" -- bash -euc '
    echo "deploy $GITREG_MODEL@$GITREG_VERSION"
    # Your command goes here; see gitreg watch --help for its variables and for targets such as
    # --kubernetes. For gitreg watch --pull /srv/model, also pip install what your DVC remote needs
    # (dvc-s3) and give this job the credentials for it. A failure is tried three times.
  '
else
  echo "$model has nothing in production any more"
fi
