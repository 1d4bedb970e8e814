-- Answers of models, kept: what was paid for once is not paid for again, and an archive is the recording of its search. Not part of the digest.
-- Questions are not kept, only a digest of everything that the answer depends on, the sample index included.
CREATE TABLE model_calls (
    "key" VARCHAR NOT NULL,
    run INTEGER NOT NULL,
    "role" VARCHAR NOT NULL,             -- mutator, generator, reflector, user, agent, ...
    model VARCHAR NOT NULL,              -- PROVIDER:NAME[@URL]
    candidate INTEGER,                   -- the proposal it was made for; NULL: for all (people's counterpart, the final table)
    "text" VARCHAR NOT NULL,
    cut BOOLEAN NOT NULL,                -- the answer reached its limit of tokens
    input_tokens BIGINT NOT NULL,        -- cached ones among them
    cached_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost DOUBLE NOT NULL,                -- US dollars by the price table of that time, 0 where there was no price
    seconds DOUBLE NOT NULL              -- from the first attempt to the answer
);

CREATE VIEW model_costs AS
SELECT run, "role", model, candidate, count(*) AS calls, sum(input_tokens)::BIGINT AS input_tokens, sum(cached_tokens)::BIGINT AS cached_tokens,
       sum(output_tokens)::BIGINT AS output_tokens, sum(cost) AS cost, sum(seconds) AS seconds
FROM model_calls GROUP BY ALL;
