"""What the history of a registry answers: timelines, searches, explanations, bisections."""
