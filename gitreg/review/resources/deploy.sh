model=$(python -c 'import sys, urllib.parse as u; print(u.unquote(sys.argv[1]))' \
  "$(basename "$(dirname "$(dirname "$STAGE_FILE")")")")
if [ -e "$STAGE_FILE" ]; then
  version=$(gitreg resolve "$model/production")
  echo "deploy $version"
  # Your command goes here: it has the model in "$model" and churn-predictor@5 in "$version".
  # For gitreg pull "$version" -o /srv/model, pip install what your DVC remote needs as well
  # (dvc-s3), and hand its credentials to this job.
else
  echo "$model has nothing in production any more"
fi
