model=$(python -c 'import sys, urllib.parse as u; print(u.unquote(sys.argv[1]))' \
  "$(basename "$(dirname "$(dirname "$STAGE_FILE")")")")
if [ -e "$STAGE_FILE" ]; then
  version=$(gitreg resolve "$model/production")
  echo "deploy $version"
  # Your command goes here: "$model" is the model, "$version" a version like churn-predictor@5.
  # For gitreg pull "$version" -o /srv/model, also pip install what your DVC remote needs (dvc-s3)
  # and give this job the credentials for it.
else
  echo "$model has nothing in production any more"
fi
