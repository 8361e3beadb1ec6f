"""What a registered model is: names, layout, manifests, values."""
