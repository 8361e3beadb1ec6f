"""The templates of the workflows that `gitreg ci` writes: `gitreg.review.workflows` fills them."""
