-- Whether the tokens of an answer are an estimate: some servers do not count them, or only some. NULL in answers of before.
ALTER TABLE model_calls ADD COLUMN estimated BOOLEAN;
