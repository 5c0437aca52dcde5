-- The tables that the worker needs. Create them with your migrations.
CREATE TABLE IF NOT EXISTS invoices (
    job_id     text           PRIMARY KEY,
    tenant     text           NOT NULL,
    supplier   text           NOT NULL,
    number     text           NOT NULL,
    total      numeric(12, 2) NOT NULL CHECK (total >= 0),
    currency   char(3)        NOT NULL,
    entered_at timestamptz    NOT NULL DEFAULT now()
);

-- The library's own table records which effect of which job is done.
CREATE TABLE IF NOT EXISTS analysis_jobs_effects (
    tenant  text        NOT NULL,
    job_id  text        NOT NULL,
    effect  text        NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, job_id, effect)
);
