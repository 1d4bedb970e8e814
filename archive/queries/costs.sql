-- What models were asked and what it cost, for each role and candidate; no candidate: what is for all of them (latest run).
SELECT "role", model, candidate, calls, input_tokens, cached_tokens, output_tokens, cost AS usd, seconds / calls AS seconds_per_call
FROM model_costs
WHERE run = (SELECT max(run) FROM runs)
ORDER BY "role", model, candidate NULLS FIRST;
