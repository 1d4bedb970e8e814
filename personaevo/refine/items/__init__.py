"""Reading the behavior of people, and the train/dev/test split."""
