-- The rows of experiments are found without reading the rest.

CREATE INDEX requests_experiment ON requests (experiment) WHERE experiment IS NOT NULL;
