-- The tables that the worker needs. Create them with your migrations. The local cloud creates them from this file.
CREATE TABLE IF NOT EXISTS books (
    tenant    text           NOT NULL,
    id        text           NOT NULL,
    title     text           NOT NULL,
    value_mid numeric(12, 2) CHECK (value_mid >= 0),
    currency  char(3),
    valued_at timestamptz,
    PRIMARY KEY (tenant, id)
);

-- One row for each job. A book that is valued again gets another row.
CREATE TABLE IF NOT EXISTS book_analyses (
    job_id      text           PRIMARY KEY,
    tenant      text           NOT NULL,
    book_id     text           NOT NULL,
    value_low   numeric(12, 2) NOT NULL,
    value_high  numeric(12, 2) NOT NULL CHECK (value_high >= value_low),
    result      jsonb          NOT NULL,
    analysis    text           NOT NULL,
    analysed_at timestamptz    NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant, book_id) REFERENCES books (tenant, id)
);
CREATE INDEX IF NOT EXISTS book_analyses_by_book ON book_analyses (tenant, book_id, analysed_at);

-- The library's own table records which effect of which job is done.
CREATE TABLE IF NOT EXISTS analysis_jobs_effects (
    tenant  text        NOT NULL,
    job_id  text        NOT NULL,
    effect  text        NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, job_id, effect)
);
