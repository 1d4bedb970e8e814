-- A model that will not answer, or whose answer cannot be used, says so at every try: that is kept like an answer.
ALTER TABLE model_calls ADD COLUMN refusal VARCHAR;    -- what was wrong, NULL for an answer
